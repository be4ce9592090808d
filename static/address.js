// The video and the time in the page's address: a link to them leads there again.
import { noteUse } from "./keys.js";
import { seek } from "./player.js";

/** Goes to the video, and to the time in it, that the address names. */
export function goToLinkedVideo() {
  const query = new URLSearchParams(window.location.search);
  const card = [...document.querySelectorAll("article.card")]
    .find((each) => each.dataset.video === query.get("video"));
  if (!card) return;
  card.scrollIntoView({ block: "start", behavior: "instant" });
  const video = card.querySelector("video");
  if (!video || !query.has("t")) return;
  seek(video, Number(query.get("t")) || 0);
  noteUse(video);
}

/** Puts a video and its current time into the address. */
export function rememberTime(video) {
  const address = new URL(window.location);
  address.searchParams.set("video", video.closest("article").dataset.video);
  address.searchParams.set("t", video.currentTime.toFixed(1));
  address.searchParams.delete("page");
  window.history.replaceState(null, "", address);
}
