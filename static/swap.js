// Swaps what is shown for what a fetched page shows; players of videos that stay play on.

/** Gives a card the content of a fresh one, but keeps its player. */
function swapCard(card, fresh) {
  card.id = fresh.id;
  card.setAttribute("aria-labelledby", fresh.getAttribute("aria-labelledby"));
  card.querySelector(".proof").replaceWith(fresh.querySelector(".proof"));
  swapTimeline(card, fresh);
  const video = card.querySelector("video");
  if (video) swapTracks(video, fresh);
}

function swapTimeline(card, fresh) {
  const timeline = card.querySelector(".timeline");
  const freshTimeline = fresh.querySelector(".timeline");
  timeline?.remove();
  if (freshTimeline) card.querySelector(".stage").append(freshTimeline);
}

/** Lets a player's tracks show the clips at the new thresholds. */
function swapTracks(video, fresh) {
  video.id = `${fresh.id}-player`;
  video.setAttribute("aria-labelledby", fresh.getAttribute("aria-labelledby"));
  const freshTracks = fresh.querySelectorAll("track");
  for (const [place, track] of video.querySelectorAll("track").entries()) {
    const { src } = freshTracks[place] ?? track;
    if (track.src !== src) track.src = src;
  }
}

function moveBefore(list, card, next) {
  // Where the browser can, a card changes its place without its player stopping.
  if (list.moveBefore && card.isConnected) list.moveBefore(card, next);
  else list.insertBefore(card, next);
}

/** Gives a list the cards of a fresh one, in their order; cards of videos that stay are kept. */
function swapCards(list, freshList) {
  const kept = new Map();
  for (const card of list.children) kept.set(card.dataset.video, card);
  let next = list.firstElementChild;
  for (const fresh of [...freshList.children]) {
    const card = kept.get(fresh.dataset.video) ?? fresh;
    if (card !== fresh) {
      swapCard(card, fresh);
      kept.delete(card.dataset.video);
    }
    if (card === next) next = next.nextElementSibling;
    else moveBefore(list, card, next);
  }
  for (const card of kept.values()) card.remove();
}

function swapMain(fresh) {
  const main = document.getElementById("videos");
  const list = main.querySelector("div.list");
  const freshList = fresh.querySelector("div.list");
  if (!list || !freshList) {
    main.replaceChildren(...fresh.childNodes);
    return;
  }
  swapCards(list, freshList);
  for (const child of [...main.children]) {
    if (child !== list) child.remove();
  }
  const children = [...fresh.children];
  const middle = children.indexOf(freshList);
  list.before(...children.slice(0, middle));
  list.after(...children.slice(middle + 1));
}

function swapSliders(page) {
  for (const fresh of page.querySelectorAll(".slider")) {
    const freshInput = fresh.querySelector("input");
    const input = document.getElementById(freshInput.id);
    const slider = input.closest(".slider");
    for (const part of ["output", ".histogram", ".passed"]) {
      slider.querySelector(part).replaceWith(fresh.querySelector(part));
    }
    // Not the one that is being dragged.
    if (input !== document.activeElement) input.value = freshInput.value;
  }
}

function swapHiddenFields(page) {
  for (const fresh of page.querySelectorAll("#view input[type=hidden]")) {
    document.querySelector(`#view input[name=${fresh.name}]`).value = fresh.value;
  }
}

/** Shows the content of a page, given by its root element, in place of this page's own. */
export function swapPage(page) {
  for (const part of ["#counts", "#chips", "#groups", "#export"]) {
    document.querySelector(part).replaceWith(page.querySelector(part));
  }
  swapSliders(page);
  swapHiddenFields(page);
  swapMain(page.querySelector("#videos"));
}
