import { listenToDrawers } from "../../static/drawer.js";
import {
  addCard, equal, interceptNavigation, interceptRequests, isLeftToTheBrowser, until,
} from "./made_up.js";

function drawerOf(words, next = "") {
  return `<section class="drawer">
    <form action="/clips"><select name="class"><option>${words}</option></select></form>
    <ol class="all">
      <li>${words} <a class="clip" data-start="1" data-end="2" href="#">clip</a></li>
    </ol>
    ${next && `<p class="pager"><a href="${next}">More clips</a></p>`}</section>`;
}

function addLinkedCard() {
  listenToDrawers();
  const requests = interceptRequests();
  const video = addCard({ clips: [] });
  const card = video.closest("article");
  card.querySelector(".actions").innerHTML = "<a class='all-clips' href='/clips?video=0'>clips</a>";
  return { requests, card, link: card.querySelector("a.all-clips") };
}

function rows() {
  const found = document.querySelectorAll(".drawer .all > li");
  return [...found].map((row) => row.firstChild.data.trim());
}

export async function linkOpensAndClosesTheDrawer() {
  const { requests, link, card } = addLinkedCard();
  link.click();
  equal([link.getAttribute("aria-expanded"), requests[0].address.search], ["true", "?video=0"]);
  await requests[0].answer(drawerOf("all"));
  equal([card.lastElementChild.id, rows()], ["video-1-drawer", ["all"]]);
  const clip = card.querySelector(".drawer a.clip");
  equal([clip.dataset.player, clip.getAttribute("role")], ["video-1-player", "button"]);
  link.click();
  equal([link.getAttribute("aria-expanded"), card.querySelector(".drawer")], ["false", null]);
}

export async function followingPagesComeUntilThereIsNoMore() {
  const { requests, link } = addLinkedCard();
  link.click();
  await requests[0].answer(drawerOf("first", "/clips?page=2"));
  await until(() => requests.length === 2);
  equal(requests[1].address.search, "?page=2");
  await requests[1].answer(drawerOf("second", "/clips?page=3"));
  await until(() => requests.length === 3);
  await requests[2].answer(drawerOf("third"));
  equal(rows(), ["first", "second", "third"]);
  equal(document.querySelectorAll(".drawer .pager").length, 0);
  equal(document.querySelectorAll(".drawer a.clip[data-player=video-1-player]").length, 3);
}

export async function pageThatFailsLeavesItsLink() {
  const { requests, link } = addLinkedCard();
  link.click();
  await requests[0].answer(drawerOf("first", "/clips?page=2"));
  await until(() => requests.length === 2);
  await requests[1].answer("", 500);
  equal(document.querySelector(".drawer .pager a").getAttribute("href"), "/clips?page=2");
}

export async function errorIsLeftToTheServerToExplain() {
  const { requests, link } = addLinkedCard();
  const left = interceptNavigation();
  link.click();
  await requests[0].answer("", 404);
  equal(left.map((address) => address.pathname), ["/clips"]);
}

export async function filterShowsOtherClipsInPlace() {
  const { requests, link, card } = addLinkedCard();
  link.click();
  await requests[0].answer(drawerOf("Pets"));
  card.querySelector("select").dispatchEvent(new Event("change", { bubbles: true }));
  equal(requests[1].address.pathname + requests[1].address.search, "/clips?class=Pets");
  await requests[1].answer(drawerOf("filtered"));
  equal([card.querySelectorAll(".drawer").length, rows()], [1, ["filtered"]]);
  equal(document.activeElement === card.querySelector("select"), true);
}

export function linkWithAModifierIsTheBrowsers() {
  const { requests, link } = addLinkedCard();
  for (const modifier of ["ctrlKey", "metaKey", "shiftKey"]) {
    equal(isLeftToTheBrowser(link, modifier), true);
  }
  equal(requests.length, 0);
}
