import { addressOf, listenToView, loadMoreNearEnd } from "../../static/view.js";
import {
  drawn, equal, interceptNavigation, interceptRequests, isLeftToTheBrowser, listOf, pageOf, until,
} from "./made_up.js";

function viewForm() {
  document.body.innerHTML = `
    <form action="/">
      <input type="hidden" name="class" value="">
      <input type="hidden" name="group" value="video">
      <input type="search" name="q" value="">
      <select name="evidence"><option value=""></option><option value="visual"></option></select>
      <select name="sort"><option value="score"></option><option value="name"></option></select>
      <input type="range" name="min_clip_score" max="100" step="1" value="65" data-default="65.0">
      <input type="range" name="min_duration_ratio" max="1" step="0.01"
        value="0.5" data-default="0.5">
    </form>`;
  return document.querySelector("form");
}

function queryWith(changes) {
  const form = viewForm();
  for (const [name, value] of Object.entries(changes)) form.elements[name].value = value;
  return new URL(addressOf(form)).search;
}

export function defaultsAreLeftOutOfTheAddress() {
  equal(addressOf(viewForm()), `${window.location.origin}/`);
}

export function everyFieldThatIsNotAtItsDefaultIsInTheAddress() {
  equal(queryWith({ class: "is:Home & Garden", group: "heat", q: "sécond 1", evidence: "visual" }),
    "?class=is%3AHome+%26+Garden&group=heat&q=s%C3%A9cond+1&evidence=visual");
  equal(queryWith({ sort: "name", min_clip_score: "0" }), "?sort=name&min_clip_score=0");
  equal(queryWith({ min_duration_ratio: "0.29" }), "?min_duration_ratio=0.29");
}

export function sliderBackAtItsDefaultIsLeftOut() {
  equal(queryWith({ min_duration_ratio: "0.50", q: "dog" }), "?q=dog");
}

export function wordOfOneFieldIsNoDefaultOfAnother() {
  equal(queryWith({ q: "video" }), "?q=video");
  equal(queryWith({ q: "score" }), "?q=score");
}

export function disabledSlidersAreLeftOut() {
  const form = viewForm();
  form.elements.min_clip_score.value = "10";
  form.elements.min_clip_score.disabled = true;
  equal(new URL(addressOf(form)).search, "");
}

function showPage(main = listOf("old", "a")) {
  document.body.innerHTML = pageOf("old", main);
  document.getElementById("view").action = "/";
  listenToView();
  return interceptRequests();
}

function type() {
  document.getElementById("view").dispatchEvent(new Event("input", { bubbles: true }));
}

function click(link) {
  link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
}

function shown() {
  return document.querySelector("#counts").textContent;
}

function addLink(address) {
  document.getElementById("chips").innerHTML = `<a href="${address}">Pets</a>`;
  return document.querySelector("#chips a");
}

export async function changesThatFollowQuicklyAreOneRequest() {
  const requests = showPage();
  document.querySelector("[name=group]").value = "heat";
  for (let times = 0; times < 3; times += 1) type();
  await until(() => requests.length > 0);
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  equal(requests.map((request) => request.address.search), ["?group=heat"]);
}

export async function changeShowsTheNewPageAndItsAddressWithoutAStepInTheHistory() {
  const requests = showPage();
  const steps = window.history.length;
  document.querySelector("[name=group]").value = "heat";
  type();
  await until(() => requests.length > 0);
  equal(window.location.search, "");
  await requests[0].answer(pageOf("new", listOf("new", "b")));
  equal([window.location.search, window.history.length - steps], ["?group=heat", 0]);
  equal([shown(), document.querySelector("article").dataset.video], ["new", "b"]);
}

export async function newestChangeWins() {
  const requests = showPage();
  const left = interceptNavigation();
  click(addLink("?class=first"));
  click(addLink("?class=second"));
  equal(requests.map((request) => Boolean(request.isAborted)), [true, false]);
  await requests[1].answer(pageOf("second", listOf("second", "b")));
  equal([shown(), window.location.search], ["second", "?class=second"]);
  equal(left, []);
}

export async function errorIsLeftToTheServerToExplain() {
  const requests = showPage();
  const left = interceptNavigation();
  click(addLink("?min_clip_score=x"));
  await requests[0].answer("", 400);
  equal(left.map((address) => address.search), ["?min_clip_score=x"]);
  equal(shown(), "old");
}

export async function linkIsAStepInTheHistoryAndLeadsToItsVideo() {
  const requests = showPage();
  document.body.insertAdjacentHTML("beforeend", "<p style='height: 3000px'></p>");
  const steps = window.history.length;
  click(addLink("?video=b"));
  await requests[0].answer(pageOf("new", listOf("new", "a", "b")));
  equal([window.location.search, window.history.length - steps], ["?video=b", 1]);
  const card = document.querySelector("article[data-video=b]");
  equal(Math.round(card.getBoundingClientRect().top), 0);
}

export async function wayBackShowsTheEarlierPage() {
  const requests = showPage();
  click(addLink("?class=none"));
  await requests[0].answer(pageOf("new", listOf("new", "b")));
  window.history.back();
  await until(() => requests.length === 2);
  equal(requests[1].address.search, "");
  await requests[1].answer(pageOf("earlier", listOf("earlier", "a")));
  equal([shown(), window.location.search], ["earlier", ""]);
}

export async function wayBackWithinThePageAsksForNothing() {
  const requests = showPage();
  window.location.hash = "videos";
  window.history.back();
  await until(() => window.location.hash === "");
  await drawn();
  equal(requests.length, 0);
}

export function linkWithAModifierIsTheBrowsers() {
  const requests = showPage();
  const link = addLink("#");
  for (const modifier of ["ctrlKey", "metaKey", "shiftKey"]) {
    equal(isLeftToTheBrowser(link, modifier), true);
  }
  equal(requests.length, 0);
}

function listWithNext(words, next, ...videoIds) {
  const pager = next ? `<p class="pager"><a rel="next" href="${next}">More</a></p>` : "";
  return `${listOf(words, ...videoIds).split("<p class=\"pager\">")[0]}${pager}`;
}

function shownVideos() {
  return [...document.querySelectorAll("article")].map((card) => card.dataset.video);
}

export async function followingCardsComeUntilThereIsNoMore() {
  const requests = showPage(listWithNext("old", "?page=2", "a"));
  loadMoreNearEnd();
  await until(() => requests.length === 1);
  await requests[0].answer(pageOf("new", listWithNext("new", "?page=3", "b", "c")));
  await until(() => requests.length === 2);
  equal([shownVideos(), requests[1].address.search], [["a", "b", "c"], "?page=3"]);
  await requests[1].answer(pageOf("new", listWithNext("new", "", "d")));
  equal([shownVideos(), document.querySelector(".pager")], [["a", "b", "c", "d"], null]);
  equal(shown(), "old");
}

export async function followingCardsOfAListThatWasReplacedAreDropped() {
  const requests = showPage(listWithNext("old", "?page=2", "a"));
  loadMoreNearEnd();
  await until(() => requests.length === 1);
  click(addLink("?class=none"));
  await requests[1].answer(pageOf("new", listOf("new", "x")));
  await requests[0].answer(pageOf("old", listWithNext("old", "", "b")));
  equal(shownVideos(), ["x"]);
}

export async function cardsThatFailToComeLeaveTheirLink() {
  const requests = showPage(listWithNext("old", "?page=2", "a"));
  loadMoreNearEnd();
  await until(() => requests.length === 1);
  await requests[0].answer("", 500);
  equal(document.querySelector(".pager a").getAttribute("href"), "?page=2");
}
