import { swapPage } from "../../static/swap.js";
import { equal } from "./made_up.js";

function cardOf(videoId, place, words) {
  return `
    <article class="card" id="video-${place}" data-video="${videoId}" aria-labelledby="video-${place}-name">
      <div class="stage">
        <video id="video-${place}-player" aria-labelledby="video-${place}-name"><track src="/${words}"></video>
        ${words.includes("timeline") ? `<div class="timeline">${words}</div>` : ""}
      </div>
      <div class="proof">${words}</div>
    </article>`;
}

function pageOf(words, main, { value = 50, hidden = "video" } = {}) {
  return `
    <p id="counts">${words}</p><p id="chips">${words}</p><p id="groups">${words}</p><p id="export">${words}</p>
    <form id="view"><input type="hidden" name="group" value="${hidden}">
      <div class="slider"><output>${words}</output><b class="histogram">${words}</b><b class="passed">${words}</b>
        <input type="range" id="min_clip_score" value="${value}"></div></form>
    <main id="videos">${main}</main>`;
}

function listOf(words, ...videoIds) {
  const html = videoIds.map((videoId, place) => cardOf(videoId, place + 1, words)).join("");
  return `<p class="summary">${words}</p><div class="list">${html}</div><p class="pager">${words}</p>`;
}

function rootOf(body) {
  const root = document.createElement("html");
  root.innerHTML = `<body>${body}</body>`;
  return root;
}

function cards() {
  return [...document.querySelectorAll("article")];
}

export function cardsOfVideosThatStayKeepTheirPlayers() {
  document.body.innerHTML = pageOf("old", listOf("old", "a", "b", "c"));
  const players = new Map(cards().map((card) => [card.dataset.video, card.querySelector("video")]));
  swapPage(rootOf(pageOf("new timeline", listOf("new timeline", "c", "d", "a"))));
  equal(cards().map((card) => card.dataset.video), ["c", "d", "a"]);
  equal(cards().map((card) => card.id), ["video-1", "video-2", "video-3"]);
  const kept = cards().map((card) => card.querySelector("video") === players.get(card.dataset.video));
  equal(kept, [true, false, true]);
}

export function keptCardsShowWhatIsNew() {
  document.body.innerHTML = pageOf("old timeline", listOf("old timeline", "a", "b"));
  swapPage(rootOf(pageOf("new", listOf("new", "b"))));
  const [card] = cards();
  const video = card.querySelector("video");
  equal([card.getAttribute("aria-labelledby"), card.querySelector(".proof").textContent], ["video-1-name", "new"]);
  equal([video.id, video.getAttribute("aria-labelledby")], ["video-1-player", "video-1-name"]);
  equal([new URL(video.querySelector("track").src).pathname, card.querySelector(".timeline")], ["/new", null]);
  swapPage(rootOf(pageOf("newer timeline", listOf("newer timeline", "b"))));
  equal(card.querySelector(".stage > .timeline").textContent, "newer timeline");
}

export function partsAroundTheListAreSwapped() {
  document.body.innerHTML = pageOf("old", listOf("old", "a"));
  swapPage(rootOf(pageOf("new", listOf("new", "a"), { value: 70, hidden: "class" })));
  for (const part of ["#counts", "#chips", "#groups", "#export", "output", ".histogram", ".passed", ".summary", ".pager"]) {
    const words = [...document.querySelectorAll(part)].map((each) => each.textContent);
    equal([part, ...words], [part, "new"]);
  }
  equal(document.getElementById("min_clip_score").value, "70");
  equal(document.querySelector("[name=group]").value, "class");
}

export function draggedSliderKeepsItsValue() {
  document.body.innerHTML = pageOf("old", listOf("old", "a"));
  document.getElementById("min_clip_score").focus();
  swapPage(rootOf(pageOf("new", listOf("new", "a"), { value: 70 })));
  equal(document.getElementById("min_clip_score").value, "50");
}

export function otherViewReplacesTheCards() {
  document.body.innerHTML = pageOf("old", listOf("old", "a"));
  swapPage(rootOf(pageOf("new", "<table class='heat'></table>")));
  equal(document.getElementById("videos").children.length, 1);
  swapPage(rootOf(pageOf("new", listOf("new", "a"))));
  equal(cards().length, 1);
}
