import { markCurrent, pauseOthers, playFrom, showNotice } from "./player.js";

const videos = document.querySelectorAll(".screen video");

for (const clip of document.querySelectorAll("a.clip")) {
  const video = document.getElementById(clip.dataset.player);
  clip.setAttribute("role", "button");
  clip.addEventListener("click", (event) => {
    // With a modifier the link opens in another tab, as links do.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || video.hidden) return;
    event.preventDefault();
    video.scrollIntoView({ block: "nearest" });
    playFrom(video, Number(clip.dataset.start));
  });
  clip.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    clip.click();
  });
}

for (const video of videos) {
  const clips = video.closest("article").querySelectorAll("a.clip");
  video.addEventListener("play", () => pauseOthers(video, videos));
  video.addEventListener("timeupdate", () => markCurrent(video, clips));
  video.addEventListener("error", () => showNotice(video));
  if (video.error) showNotice(video);
}
