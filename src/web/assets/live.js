// Puts a page in place again when something has changed, and follows a log. Without it every page can be read.
"use strict";
(() => {
  const main = document.querySelector("main[data-follows]");
  if (!main) return;
  const connection = document.getElementById("connection");
  const time = () => new Date().toLocaleTimeString();
  // A server that is gone without a word says nothing within this time; it does every 10 s else.
  const SILENT = 25000;

  // An event source that is closed while nobody sees the page, and that comes again by itself: a browser has
  // six connections to a server, and each page that is open would keep one.
  const follow = (url, events, state) => {
    let source = null, watch = 0, again = 0, lost = null;
    const close = () => { if (source) source.close(); source = null; clearTimeout(watch); clearTimeout(again); };
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(lose, SILENT);
      lost = null;
      state(null);
    };
    const lose = () => {
      close();
      // A connection does not last for ever: only one that cannot be had again is missed.
      if (lost) state(lost);
      again = setTimeout(open, lost ? 2000 : 100);
      lost = lost || time();
    };
    const open = () => {
      close();
      source = new EventSource(url());
      source.addEventListener("alive", alive);
      source.onerror = lose;
      for (const [name, handle] of Object.entries(events)) {
        source.addEventListener(name, (event) => { alive(); handle(event); });
      }
    };
    const look = () => (document.hidden ? close() : open());
    document.addEventListener("visibilitychange", look);
    look();
    return { open, end: () => { close(); document.removeEventListener("visibilitychange", look); } };
  };

  // The page
  const lives = (from) => [...from.querySelectorAll("[data-live]")];
  let asked = 0, shown = Boolean(document.getElementById("at"));
  const refresh = async () => {
    const mine = ++asked;
    let text;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) return;
      text = await answer.text();
    } catch { return; }
    if (mine !== asked) return;
    const fresh = lives(new DOMParser().parseFromString(text, "text/html"));
    lives(document).forEach((live, place) => { if (fresh[place]) replace(live, fresh[place]); });
  };
  const replace = (live, fresh) => {
    if (fresh.innerHTML === live.innerHTML) return;
    // Who is on a link stays on it, and nobody's selection goes.
    const selection = getSelection();
    if (selection && !selection.isCollapsed && live.contains(selection.anchorNode)) return;
    // What somebody types stays.
    const typed = [...live.querySelectorAll("input[id]")].filter((one) => one.value !== one.defaultValue).map((one) => [one.id, one.value]);
    const on = live.contains(document.activeElement) ? document.activeElement.id : "";
    const at = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    live.replaceChildren(...fresh.childNodes);
    const link = at && [...live.querySelectorAll("a")].find((one) => one.getAttribute("href") === at);
    if (link) link.focus({ preventScroll: true });
    // A line that the address names comes a moment later than the page.
    const line = location.hash === "#at" && live.querySelector("#at");
    if (line && !shown) { shown = true; line.scrollIntoView({ block: "center" }); }
    for (const [id, value] of typed) { const one = document.getElementById(id); if (one) one.value = value; }
    const one = on && document.getElementById(on);
    if (one) one.focus({ preventScroll: true });
  };
  let was = null;
  follow(() => main.dataset.follows, { changed: refresh }, (lost) => {
    const text = lost ? `No connection since ${lost}` : "Live";
    if (text === was) return;
    if (was && !lost) refresh();
    was = text;
    connection.textContent = text;
    connection.className = lost ? "lost" : "";
  });

  // What is looked for, while it is typed
  const filter = document.querySelector("form[data-filter]");
  if (filter) {
    let soon = 0;
    const look = () => {
      const query = new URLSearchParams(new FormData(filter));
      for (const [name, value] of [...query]) if (!value) query.delete(name);
      history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
      refresh();
    };
    filter.addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(look, 150); });
    filter.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(soon); look(); });
  }

  // A log
  const section = document.querySelector("[data-log]");
  if (!section) return;
  const lines = document.getElementById("log");
  const note = document.getElementById("log-note");
  const pause = document.getElementById("pause");
  const grep = document.getElementById("grep");
  const download = document.getElementById("download");
  const MOST = 5000;
  let waiting = [], paused = false, begun = false;
  const query = () => (grep.value.trim() ? "?" + new URLSearchParams({ grep: grep.value.trim() }) : "");
  const show = () => {
    if (paused) { note.textContent = `Paused: ${waiting.length} waiting`; return; }
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30;
    lines.append(...waiting.map(made));
    waiting = [];
    while (lines.childNodes.length > MOST) lines.firstChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  };
  const made = ([line, place]) => {
    const one = document.createElement("span");
    if (place) {
      const link = document.createElement("a");
      link.className = "at";
      link.href = "?" + new URLSearchParams({ at: place }) + "#at";
      link.setAttribute("aria-label", "Link to this line");
      one.append(link);
    }
    one.append(line + "\n");
    return one;
  };
  const start = () => {
    // It begins with its last lines.
    if (!begun) { lines.replaceChildren(); begun = true; }
  };
  const log = follow(() => { begun = false; return section.dataset.log + query(); }, {
    wrong: (event) => { log.end(); note.textContent = event.data; grep.setAttribute("aria-invalid", "true"); },
    end: () => { log.end(); note.textContent = "Not followed any more: load the page again to try once more"; },
    line: (event) => { start(); waiting.push([event.data, event.lastEventId]); if (waiting.length > MOST) waiting.shift(); show(); },
  }, (lost) => { if (!paused) note.textContent = lost ? `Not followed since ${lost}` : "Followed"; });
  lines.scrollTop = lines.scrollHeight;
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    note.textContent = paused ? "Paused" : "Followed";
    show();
  });
  // What is shown, and not what was read when the page was made.
  let made_of = "";
  download.addEventListener("click", () => {
    URL.revokeObjectURL(made_of);
    made_of = URL.createObjectURL(new Blob([lines.textContent], { type: "text/plain" }));
    download.href = made_of;
    download.download = "log.txt";
  });
  grep.form.addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", query() || location.pathname);
    waiting = [];
    grep.removeAttribute("aria-invalid");
    lines.replaceChildren();
    log.open();
  });
})();
