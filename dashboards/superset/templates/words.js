// Words that Superset writes into a page without a setting or a translation for them.
(() => {
  const WORDS = {
    zh: { until: "至", total: "合计", none: "期内没有数据" },
    en: { until: "to", total: "Total", none: "None in the period" },
  };
  const NOTHING = "—";
  const RANGE = /^(\d{4}-\d\d-\d\d) ≤ \S+ < (\d{4}-\d\d-\d\d)$/;
  const CHANGE = /^[+\-−]?[\d,.]+%$/;
  const ZERO = /^[^\d]*0(\.0+)?%?$/;

  const language = () =>
    /\/dashboard\/[^/]*-en(\/|$)/.test(location.pathname) ? "en" : "zh";

  const set = (node, text) => {
    if (node.nodeValue !== text) node.nodeValue = text;
  };

  // A range ends before a moment; people read the last day of it.
  const dayBefore = (day) =>
    new Date(Date.parse(day) - 86400000).toISOString().slice(0, 10);

  const range = (node) => {
    const found = RANGE.exec(node.nodeValue);
    if (!found) return;
    const last = dayBefore(found[2]);
    const until = WORDS[language()].until;
    set(node, found[1] === last ? last : `${found[1]} ${until} ${last}`);
  };

  // The sum of nothing in the last line of a table, and a table's two words for a sum.
  const total = (node) => {
    if (node.nodeValue === "N/A") set(node, NOTHING);
    else if (/^(Summary|Total \(Sum\))$/.test(node.nodeValue)) set(node, WORDS[language()].total);
  };

  // A number that is nothing says so at a length that no card has room for.
  const none = (node) => {
    if (node.nodeValue.startsWith("No data after filtering")) set(node, WORDS[language()].none);
  };

  // Superset calls what was nothing before 100 % more, and nothing after nothing 0 % more. Its own
  // text is kept: it writes only what differs from what it wrote before.
  const written = new WeakMap();
  const change = (card) => {
    const told = [...card.querySelectorAll("span")].filter((one) => one.childNodes.length > 1);
    if (told.length < 2) return;
    const [figure, rate] = [told[0], told[told.length - 1]].map((one) =>
      [...one.childNodes].find((node) => node.nodeValue)
    );
    if (!figure || !rate) return;
    if (!ZERO.test(figure.nodeValue)) {
      if (rate.nodeValue === NOTHING && written.has(rate)) set(rate, written.get(rate));
    } else if (CHANGE.test(rate.nodeValue)) {
      written.set(rate, rate.nodeValue);
      set(rate, NOTHING);
    }
  };

  const texts = (element, visit) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) visit(walker.currentNode);
  };

  const within = (selector, element) => [
    ...(element.closest(selector) ? [element.closest(selector)] : []),
    ...element.querySelectorAll(selector),
  ];

  const mend = (element) => {
    texts(element, range);
    within("tfoot, .pvtTable", element).forEach((found) => texts(found, total));
    within(".subtitle-line", element).forEach((found) => texts(found, none));
    within(".pop_kpi", element).forEach(change);
  };

  const start = () => {
    new MutationObserver((changes) => {
      const touched = new Set();
      for (const { target, addedNodes } of changes) {
        if (target.nodeType === Node.TEXT_NODE && target.parentElement) {
          touched.add(target.parentElement);
        }
        addedNodes.forEach((node) => {
          touched.add(node.nodeType === Node.ELEMENT_NODE ? node : target);
        });
      }
      touched.forEach((element) => element.isConnected && mend(element));
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
    mend(document.body);
  };

  start();
})();
