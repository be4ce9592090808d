// Filters, order and thresholds: every change shows the fitting page of the server in place.
import { fetchDocument } from "./fetching.js";

const PATIENCE_MS = 60;
const SWAPPED = ["#counts", "#chips", "#groups", "#export"];

let shown = window.location.search;
let pending = null;
let timer = 0;

/** Puts one card's new content into the card that is there, whose player plays on. */
function renew(card, fresh) {
  card.id = fresh.id;
  card.querySelector(".proof").replaceWith(fresh.querySelector(".proof"));
  const [old, lanes] = [card, fresh].map((each) => each.querySelector(".timeline"));
  if (old && lanes) old.replaceWith(lanes);
  else if (lanes) card.querySelector(".stage").append(lanes);
  else old?.remove();
  card.setAttribute("aria-labelledby", fresh.getAttribute("aria-labelledby"));
  const video = card.querySelector("video");
  if (video) {
    video.id = `${fresh.id}-player`;
    video.setAttribute("aria-labelledby", fresh.getAttribute("aria-labelledby"));
    const tracks = fresh.querySelectorAll("track");
    for (const [place, track] of video.querySelectorAll("track").entries()) {
      const { src } = tracks[place] ?? track;
      if (track.src !== src) track.src = src; // its clips are those of other thresholds now
    }
  }
}

function move(list, card, before) {
  // Where the browser can, a card changes its place without its player stopping.
  if (list.moveBefore && card.isConnected) list.moveBefore(card, before);
  else list.insertBefore(card, before);
}

/** Makes the list of cards be as the new one, keeping the cards of videos that stay. */
function renewCards(list, fresh) {
  const known = new Map([...list.children].map((card) => [card.dataset.video, card]));
  let place = list.firstElementChild;
  for (const card of [...fresh.children]) {
    const old = known.get(card.dataset.video);
    if (old) {
      renew(old, card);
      known.delete(card.dataset.video);
    }
    const wanted = old ?? card;
    if (wanted === place) place = place.nextElementSibling;
    else move(list, wanted, place);
  }
  for (const card of known.values()) card.remove();
}

function renewMain(fresh) {
  const main = document.getElementById("videos");
  const [list, freshList] = [main, fresh].map((each) => each.querySelector("div.list"));
  if (!list || !freshList) {
    main.replaceChildren(...fresh.childNodes);
    return;
  }
  renewCards(list, freshList);
  for (const child of [...main.children]) if (child !== list) child.remove();
  const children = [...fresh.children];
  const middle = children.indexOf(freshList);
  list.before(...children.slice(0, middle));
  list.after(...children.slice(middle + 1));
}

function renewSliders(page) {
  for (const fresh of page.querySelectorAll(".slider")) {
    const slider = document.getElementById(fresh.querySelector("input").id).closest(".slider");
    for (const part of ["output", ".histogram", ".passed"]) {
      slider.querySelector(part).replaceWith(fresh.querySelector(part));
    }
    const [input, asked] = [slider, fresh].map((each) => each.querySelector("input"));
    // Not the one that is being dragged.
    if (input !== document.activeElement) input.value = asked.value;
  }
}

/** Shows what an address asks for, and makes it the page's own. */
export async function show(address, enhance, { remember = "replaceState" } = {}) {
  pending?.abort();
  const own = new AbortController();
  pending = own;
  let page;
  try {
    page = document.importNode((await fetchDocument(address, own.signal)).documentElement, true);
  } catch (error) {
    if (error.name === "AbortError") return;
    window.location.assign(address); // the server says what is wrong
    return;
  }
  for (const part of SWAPPED) document.querySelector(part).replaceWith(page.querySelector(part));
  renewSliders(page);
  for (const hidden of page.querySelectorAll("#view input[type=hidden]")) {
    document.querySelector(`#view input[name=${hidden.name}]`).value = hidden.value;
  }
  renewMain(page.querySelector("#videos"));
  if (remember) window.history[remember](null, "", address);
  shown = window.location.search;
  enhance(document);
}

/** The address of the form as it stands; what is at its default is left out. */
function addressOf(form) {
  const asked = new URLSearchParams(new FormData(form));
  for (const [name, value] of [...asked]) if (!value) asked.delete(name);
  for (const slider of form.querySelectorAll("input[type=range]")) {
    if (Number(slider.value) === Number(slider.dataset.default)) asked.delete(slider.name);
  }
  if (asked.get("group") === "video") asked.delete("group");
  if (asked.get("sort") === "score") asked.delete("sort");
  const text = asked.toString();
  return form.action + (text ? `?${text}` : "");
}

/** Loads the next page of cards when the end of the list comes near. */
export function watchEnd(enhance) {
  const next = document.querySelector("#videos .pager a[rel=next]");
  if (!next) return;
  const observer = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    if (!next.isConnected) return;
    let page;
    try {
      page = document.importNode((await fetchDocument(next.href)).documentElement, true);
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
    watchEnd(enhance);
  }, { rootMargin: "800px" });
  observer.observe(next);
}

/** Listens to the form, to its links, and to the way back. */
export function listenToView(enhance) {
  const form = document.getElementById("view");
  const update = (wait, remember) => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      await show(addressOf(form), enhance, { remember });
      watchEnd(enhance);
    }, wait);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    update(0, "pushState");
  });
  form.addEventListener("input", () => update(PATIENCE_MS, "replaceState"));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#chips a, #groups a, .summary a, .heat a, .tile, .group > p a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.href, enhance, { remember: "pushState" }).then(() => {
      watchEnd(enhance);
      enhance.toLinkedVideo();
    });
  });
  window.addEventListener("popstate", () => {
    // A way back within the page, as to its beginning, asks for nothing else.
    if (window.location.search === shown) return;
    show(window.location.href, enhance, { remember: null }).then(() => watchEnd(enhance));
  });
}
