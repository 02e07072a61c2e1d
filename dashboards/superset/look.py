"""How Superset looks: colours, fonts, and Chinese dates and numbers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

_FONTS = (
    '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", system-ui, '
    '-apple-system, "Segoe UI", Roboto, sans-serif'
)

_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="150" height="32" viewBox="0 0 150 32">'
    '<text x="0" y="24" font-family="PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif" '
    'font-size="22" font-weight="700" fill="#0a4450">回音</text>'
    '<text x="54" y="23" font-family="Segoe UI, Roboto, sans-serif" font-size="15" '
    'fill="#5b6676">Huiyin</text></svg>'
)

THEME: dict[str, Any] = {
    "token": {
        "brandAppName": "回音 Huiyin",
        "brandLogoAlt": "回音 Huiyin",
        "brandLogoUrl": f"data:image/svg+xml,{quote(_LOGO)}",
        "brandLogoMargin": "14px 0",
        "brandLogoHref": "/",
        "brandLogoHeight": "30px",
        "colorPrimary": "#0f5e6e",
        "colorLink": "#0f5e6e",
        "colorError": "#b3261e",
        "colorWarning": "#b7791f",
        "colorSuccess": "#1d7a46",
        "colorInfo": "#2f6f9f",
        # The pale tones derived from dark colours are grey, so they are given.
        "colorPrimaryBg": "#e3f0f2",
        "colorPrimaryBgHover": "#d0e6ea",
        "colorPrimaryBorder": "#9cc9d1",
        "colorPrimaryBorderHover": "#6aaab5",
        "colorPrimaryHover": "#17798d",
        "colorPrimaryActive": "#0a4450",
        "colorSuccessBg": "#e5f4eb",
        "colorSuccessBorder": "#a6d8bb",
        "colorErrorBg": "#fbeae9",
        "colorErrorBorder": "#efb5b1",
        "colorWarningBg": "#fdf3df",
        "fontUrls": [],
        "fontFamily": _FONTS,
        "fontFamilyCode": "'Courier New', monospace",
        "transitionTiming": 0.2,
        "brandIconMaxWidth": 150,
        "fontSizeXS": "8",
        "fontSizeXXL": "28",
        "fontWeightNormal": "400",
        "fontWeightLight": "300",
        "fontWeightStrong": "600",
    },
    "algorithm": "default",
}

COLOURS: dict[str, Any] = {
    "id": "huiyin",
    "description": "Calm, and told apart by people who see few colours",
    "label": "回音 Huiyin",
    "isDefault": True,
    "colors": [
        "#0f5e6e", "#d98324", "#5a8fb8", "#7a9e3e", "#a05195", "#c0504d", "#3fa7a3", "#8c6d46",
        "#6b7fd7", "#b8b04a", "#5b6676", "#d46a8c",
    ],
}  # fmt: skip


def d3_formats(currency: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Numbers and dates as Chinese readers expect them, money with the sign of a currency."""
    from babel.numbers import get_currency_symbol

    sign = get_currency_symbol(currency, "zh_CN")
    numbers = {"decimal": ".", "thousands": ",", "grouping": [3], "currency": [sign, ""]}
    months = [f"{number}月" for number in range(1, 13)]
    weekdays = ["日", "一", "二", "三", "四", "五", "六"]
    times = {
        "dateTime": "%Y-%m-%d %H:%M:%S",
        "date": "%Y-%m-%d",
        "time": "%H:%M:%S",
        "periods": ["上午", "下午"],
        "days": [f"星期{day}" for day in weekdays],
        "shortDays": [f"周{day}" for day in weekdays],
        "months": months,
        "shortMonths": months,
    }
    return numbers, times
