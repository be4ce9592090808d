import { swapPage } from "../../static/swap.js";
import { equal, listOf, pageOf, rootOf } from "./made_up.js";

function cards() {
  return [...document.querySelectorAll("article")];
}

export function cardsOfVideosThatStayKeepTheirPlayers() {
  document.body.innerHTML = pageOf("old", listOf("old", "a", "b", "c"));
  const players = new Map(cards().map((card) => [card.dataset.video, card.querySelector("video")]));
  swapPage(rootOf(pageOf("new timeline", listOf("new timeline", "c", "d", "a"))));
  equal(cards().map((card) => card.dataset.video), ["c", "d", "a"]);
  equal(cards().map((card) => card.id), ["video-1", "video-2", "video-3"]);
  const kept = cards()
    .filter((card) => card.querySelector("video") === players.get(card.dataset.video));
  equal(kept.map((card) => card.dataset.video), ["c", "a"]);
}

export function keptCardsShowWhatIsNew() {
  document.body.innerHTML = pageOf("old timeline", listOf("old timeline", "a", "b"));
  swapPage(rootOf(pageOf("new", listOf("new", "b"))));
  const [card] = cards();
  const video = card.querySelector("video");
  equal(card.getAttribute("aria-labelledby"), "video-1-name");
  equal(card.querySelector(".proof").textContent, "new");
  equal([video.id, video.getAttribute("aria-labelledby")], ["video-1-player", "video-1-name"]);
  equal(new URL(video.querySelector("track").src).pathname, "/new");
  equal(card.querySelector(".timeline"), null);
  swapPage(rootOf(pageOf("newer timeline", listOf("newer timeline", "b"))));
  equal(card.querySelector(".stage > .timeline").textContent, "newer timeline");
}

export function partsAroundTheListAreSwapped() {
  document.body.innerHTML = pageOf("old", listOf("old", "a"));
  swapPage(rootOf(pageOf("new", listOf("new", "a"), { value: 70, hidden: "class" })));
  const aroundTheList = ["#counts", "#chips", "#groups", "#export", ".summary", ".pager"];
  for (const part of [...aroundTheList, "output", ".histogram", ".passed"]) {
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
