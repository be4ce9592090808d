import { goToLinkedVideo, rememberTime } from "../../static/address.js";
import { addCard, equal } from "./made_up.js";

function addPageOfCards(query) {
  window.history.replaceState(null, "", query);
  const videos = [];
  for (let place = 0; place < 12; place += 1) {
    videos.push(addCard({ id: `video-${place + 1}`, videoId: `id${place}` }));
  }
  for (const card of document.querySelectorAll("article")) card.style.height = "600px";
  document.body.insertAdjacentHTML("beforeend", "<div style='height: 2000px'></div>");
  return videos;
}

function topOf(video) {
  return Math.round(video.closest("article").getBoundingClientRect().top);
}

export function linkLeadsToTheLastCardOfAPage() {
  const videos = addPageOfCards("?video=id11&t=42.5");
  goToLinkedVideo();
  equal(topOf(videos[11]), 0);
  equal(videos.map((video) => video.currentTime), [...Array(11).fill(0), 42.5]);
}

export function linkLeadsToTheFirstCardAndItsBeginning() {
  const videos = addPageOfCards("?video=id0&t=soon");
  videos[0].currentTime = 9;
  window.scrollTo(0, 5000);
  goToLinkedVideo();
  equal([topOf(videos[0]), videos[0].currentTime], [0, 0]);
}

export function linkWithoutATimeSeeksNothing() {
  const videos = addPageOfCards("?video=id5");
  videos[5].currentTime = 9;
  goToLinkedVideo();
  equal([topOf(videos[5]), videos[5].currentTime], [0, 9]);
}

export function linkToNoCardOfThePageLeadsNowhere() {
  const videos = addPageOfCards("?video=id12&t=3");
  goToLinkedVideo();
  equal(window.scrollY, 0);
  equal(videos.every((video) => video.currentTime === 0), true);
}

export function videoAndTimeAreRememberedInTheAddress() {
  const [, second] = addPageOfCards("?sort=name&page=2&video=id0");
  second.currentTime = 7.25;
  rememberTime(second);
  equal(window.location.search, "?sort=name&video=id1&t=7.3");
}
