// What script adds to pages that work without it: a page renews itself in place, and texts can be copied by a button.
"use strict";
(() => {
  const every = 5000; // milliseconds between renewals while nothing is found
  const atMost = 1000; // between renewals while much is
  const pause = document.getElementById("pause");
  let paused = false;
  let busy = false;
  let due = 0; // timer of a renewal that has been asked for
  let last = 0;
  let stream = null;

  document.documentElement.classList.add("js");

  // renew asks for this page again and makes what is shown equal to the answer.
  async function renew() {
    if (paused || busy || document.hidden) return;
    busy = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
      if (answer.status === 401) return location.reload(); // which shows the form for the token
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!paused) {
        const focused = document.activeElement;
        morph(document.body, page.body);
        document.title = page.title;
        if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
      }
      tell("");
    } catch {
      tell("warder does not answer. What stands here is not of now.");
    } finally {
      busy = false;
    }
  }

  function soon() {
    if (due) return;
    due = setTimeout(() => {
      due = 0;
      renew();
    }, Math.max(200, last + atMost - Date.now()));
  }

  function tell(text) {
    const stale = document.getElementById("stale");
    if (!stale) return;
    stale.textContent = text;
    stale.hidden = text === "";
  }

  // morph makes the children of a live element equal to those of a new one. It touches only what differs, so that focus,
  // selected text, scroll positions and what is unfolded stay as they are. Elements are told apart by their ids.
  function morph(live, fresh) {
    const free = [...live.childNodes];
    const like = (node) => {
      const i = free.findIndex((old) => old.nodeName === node.nodeName && (old.id || "") === (node.id || ""));
      return i < 0 ? null : free.splice(i, 1)[0];
    };
    let at = live.firstChild;
    for (const node of [...fresh.childNodes]) {
      const old = like(node);
      if (!old) {
        const added = document.importNode(node, true);
        if (added.classList?.contains("finding")) added.classList.add("new");
        live.insertBefore(added, at);
        continue;
      }
      if (old === at) at = at.nextSibling;
      else live.insertBefore(old, at);
      patch(old, node);
    }
    for (const old of free) old.remove();
  }

  function patch(old, node) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== node.data) old.data = node.data;
      return;
    }
    if (old.hasAttribute("data-keep") || old.matches("input, select, textarea") || old.isEqualNode(node)) return;
    const ours = (name) => name === "open" && old.nodeName === "DETAILS"; // whoever reads decides what is unfolded
    for (const { name, value } of [...node.attributes]) {
      if (!ours(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!ours(name) && !node.hasAttribute(name)) old.removeAttribute(name);
    }
    morph(old, node);
  }

  // listen opens the stream of findings, unless nobody looks: browsers allow few connections to one host.
  function listen() {
    if (stream || paused || document.hidden || !window.EventSource) return;
    stream = new EventSource("/api/v1/findings/stream");
    stream.addEventListener("finding", soon);
    stream.onerror = () => {
      if (stream && stream.readyState === EventSource.CLOSED) {
        stream = null;
        setTimeout(listen, 30000);
      }
    };
  }

  function deafen() {
    if (stream) stream.close();
    stream = null;
  }

  function setPaused(on) {
    paused = on;
    pause.setAttribute("aria-pressed", String(on));
    pause.textContent = on ? "Go on" : "Pause";
    sessionStorage.setItem("warder-paused", on ? "1" : "");
    if (on) {
      deafen();
    } else {
      listen();
      renew();
    }
  }

  async function copy(button) {
    const from = document.getElementById(button.dataset.copy);
    let done = true;
    try {
      await navigator.clipboard.writeText(from.textContent);
    } catch {
      // Browsers keep the clipboard from pages that came without TLS from another machine.
      getSelection().selectAllChildren(from);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (!button) return;
    if (button === pause) setPaused(!paused);
    else if (button.dataset.copy) copy(button);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return deafen();
    listen();
    renew();
  });
  addEventListener("pagehide", deafen);
  addEventListener("pageshow", listen);

  if (pause && sessionStorage.getItem("warder-paused")) setPaused(true);
  if (pause) setInterval(renew, every);
})();
