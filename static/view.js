// Filters, order and thresholds: every change shows the server's page for it without a reload.
import { goToLinkedVideo } from "./address.js";
import { enhance } from "./cards.js";
import { fetchPage } from "./fetching.js";
import { onceNear } from "./near.js";
import { swapPage } from "./swap.js";

const TYPING_PAUSE_MS = 60;

const VIEW_LINKS = "#chips a, #groups a, .summary a, .heat a, .tile, .group > p a";

let shownQuery = window.location.search;
let pendingFetch = null;
let timer = 0;

function pushAddress(address) {
  window.history.pushState(null, "", address);
}

function replaceAddress(address) {
  window.history.replaceState(null, "", address);
}

/** Shows the page at an address in place of this one; `record` adds it to the history. */
async function show(address, record) {
  pendingFetch?.abort();
  const abort = new AbortController();
  pendingFetch = abort;
  let page;
  try {
    page = await fetchPage(address, abort.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    window.location.assign(address); // the server says what is wrong
    return;
  }
  swapPage(page);
  record?.(address);
  shownQuery = window.location.search;
  enhance(document);
  loadMoreNearEnd();
}

/** The address of the form as it stands; what is at its default is left out. */
export function addressOf(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !isDefault(form.elements[name], value)) query.append(name, value);
  }
  const text = query.toString();
  return form.action + (text ? `?${text}` : "");
}

function isDefault({ name, type, dataset }, value) {
  if (type === "range") return Number(value) === Number(dataset.default);
  return (name === "group" && value === "video") || (name === "sort" && value === "score");
}

/** Loads the next page of cards when the end of the list comes near. */
export function loadMoreNearEnd() {
  const next = document.querySelector("#videos .pager a[rel=next]");
  if (next) onceNear(next, "800px", () => loadMore(next));
}

async function loadMore(next) {
  let page;
  try {
    page = await fetchPage(next.href);
  } catch {
    return; // the link stays, for whoever wants to try again
  }
  if (!next.isConnected) return; // the list has been renewed meanwhile
  const pager = next.closest(".pager");
  document.querySelector("#videos .list").append(...page.querySelector("#videos .list").children);
  const following = page.querySelector("#videos .pager a[rel=next]");
  if (following) pager.replaceChildren(following);
  else pager.remove();
  enhance(document);
  loadMoreNearEnd();
}

/** Listens to the form, to the links that change the view, and to the way back. */
export function listenToView() {
  const form = document.getElementById("view");
  const showForm = (wait, record) => {
    clearTimeout(timer);
    timer = setTimeout(() => show(addressOf(form), record), wait);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    showForm(0, pushAddress);
  });
  form.addEventListener("input", () => showForm(TYPING_PAUSE_MS, replaceAddress));
  document.addEventListener("click", (event) => {
    const link = event.target.closest(VIEW_LINKS);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.href, pushAddress).then(goToLinkedVideo);
  });
  window.addEventListener("popstate", () => {
    // A way back within the page, as to its beginning, asks for nothing else.
    if (window.location.search !== shownQuery) show(window.location.href);
  });
}
