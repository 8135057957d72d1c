// Names, roles, headings and tables: what is missing, in words.
() => {
  const faults = [];
  const shown = (element) => element.checkVisibility({ checkVisibilityCSS: true });
  const name = (element) => (element.getAttribute("aria-label")
    || (element.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean)
         .map((id) => document.getElementById(id)?.textContent ?? "").join(" ")
    || [...(element.labels ?? [])].map((label) => label.textContent).join(" ")
    || element.textContent || element.getAttribute("alt") || "").trim();
  for (const element of document.querySelectorAll("button, a[href], input, textarea, select, summary, dialog, section, canvas"))
    if (shown(element) && element.getAttribute("aria-hidden") !== "true" && !name(element))
      faults.push(`no name: ${element.outerHTML.slice(0, 120)}`);
  for (const element of document.querySelectorAll("[onclick], div[role=button], span[role=button], [tabindex]:not([tabindex='0']):not([tabindex='-1'])"))
    faults.push(`not a control of its own: ${element.outerHTML.slice(0, 120)}`);
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption) faults.push(`no caption: ${table.id}`);
    for (const head of table.querySelectorAll("th")) if (!head.scope) faults.push(`no scope in ${table.id}: ${head.textContent}`);
  }
  for (const image of document.images) if (!image.hasAttribute("alt")) faults.push(`no alt: ${image.src}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => faults.push(`two of ${id}`));
  for (const landmark of ["main", "header, [hidden] header, .door:not([hidden])"])
    if (!document.querySelector(landmark)) faults.push(`no ${landmark}`);
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang) faults.push("no language");
  for (const element of document.querySelectorAll("[style]")) faults.push(`inline style: ${element.outerHTML.slice(0, 80)}`);
  return faults;
}
