"""Chinese texts of Superset's pages: its own, without the doubtful ones, with ours in place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_OURS = {
    "Sign in": "登录",
    "Login": "登录",
    "Enter your login and password below:": "用门户的手机号和密码登录",
    "Username:": "手机号（管理员用用户名）",
    "Password:": "密码",
    "Please enter your username": "请输入手机号或用户名",
    "Please enter your password": "请输入密码",
    "Username is required": "请输入手机号或用户名",
    "Password is required": "请输入密码",
    "Invalid username or password": "手机号或密码不正确",
    "Invalid login. Please try again.": "登录失败，请重试",
    "Summary": "合计",
    "Total (%s)": "合计（%s）",
    "Total (%(aggregatorName)s)": "合计",
    "Total": "合计",
    "Total: %s": "合计 %s",
    "%s option": "%s 个选项",
    "%s row": "%s 行",
    "Subtotal": "小计",
    "Filters and controls": "筛选条件",
    "Filters": "筛选",
    "More filters": "更多筛选",
    "Apply filters": "应用筛选",
    "Clear all": "清除全部",
    "No filter": "不限",
    "No data": "没有数据",
    "Data error": "数据出错",
    "Unexpected error": "出错了",
    "No results were returned for this query": "没有符合条件的数据",
    "Drill by": "按维度下钻",
    "Drill by: %s": "按维度下钻：%s",
    "Drill to detail": "查看明细",
    "Drill to detail by": "查看明细：",
    "Drill to detail: %s": "查看明细：%s",
    "Add cross-filter": "以此筛选其他图表",
    "Remove cross-filter": "取消以此筛选",
    "Cross-filters": "图表联动筛选",
    "Search columns": "搜索列",
    "Results %s": "结果 %s",
    "N/A": "—",
    "Loading...": "加载中……",
    "Settings": "设置",
    "Last day": "最近一天",
    "Last week": "最近一周",
    "Last month": "最近一个月",
    "Last quarter": "最近一个季度",
    "Last year": "最近一年",
    "Time range": "时间范围",
    "Edit time range": "选择时间范围",
    "Range type": "范围方式",
    "Actual time range": "实际时间范围",
    "APPLY": "应用",
    "CANCEL": "取消",
    "Apply": "应用",
    "Cancel": "取消",
    "Close": "关闭",
    "Edit chart": "编辑图表",
    "View chart in Explore": "在探索页打开",
    "View as table": "以表格查看",
    "View query": "查看查询",
    "Force refresh": "刷新",
    "Enter fullscreen": "全屏",
    "Exit fullscreen": "退出全屏",
    "Refresh dashboard": "刷新看板",
    "Edit dashboard": "编辑看板",
    "Published": "已发布",
    "Draft": "草稿",
    "Download": "下载",
    "Download as image": "下载为图片",
    "Download as Image": "下载为图片",
    "Export to PDF": "导出为 PDF",
    "Export to .CSV": "导出为 CSV",
    "Export to Excel": "导出为 Excel",
    "Export to full .CSV": "导出全部为 CSV",
    "Export to full Excel": "导出全部为 Excel",
    "Export as Image": "导出为图片",
    "Share": "分享",
    "Copy permalink to clipboard": "复制链接",
    "Share permalink by email": "用邮件发送链接",
    "Save as": "另存为",
    "Home": "首页",
    "Dashboards": "看板",
    "Charts": "图表",
    "Datasets": "数据集",
    "Recents": "最近",
    "Favorite": "收藏",
    "Favorites": "收藏",
    "Mine": "我的",
    "All": "全部",
    "Info": "个人信息",
    "Logout": "退出登录",
    "User": "用户",
    "Security": "安全",
    "Manage": "管理",
    "Back": "返回",
    "Inv": "反选",
    "Select all": "全选",
    "Deselect all": "全不选",
    "Clear": "清除",
    "Sort": "排序",
    "Search": "查找",
    "%s record": "共 %s 行",
    "There is currently no information to display.": "当前没有可显示的内容",
    "No data after filtering or data is NULL for the latest time record": "期内没有数据",
    "No records found": "没有数据",
    "No matching records found": "没有符合条件的数据",
}


def chinese_pack() -> bytes:
    """The language pack for `zh` as JSON.

    Superset ships machine guesses marked fuzzy, some of them nonsense (a total called Sunday);
    English is better than a wrong word, and what the dashboards show is translated here.
    """
    import superset

    folder = Path(superset.__file__).parent / "translations" / "zh" / "LC_MESSAGES"
    pack: dict[str, Any] = json.loads((folder / "messages.json").read_text(encoding="utf-8"))
    texts = pack["locale_data"]["superset"]
    for guess in _guesses(folder / "messages.po"):
        texts.pop(guess, None)
    for text, ours in _OURS.items():
        texts[text] = [ours]
    return json.dumps(pack, ensure_ascii=False).encode()


def _guesses(path: Path) -> set[str]:
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        catalogue = read_po(file)
    found: set[str] = set()
    for message in catalogue:
        if message.fuzzy and message.id:
            found.add(message.id if isinstance(message.id, str) else message.id[0])
    return found
