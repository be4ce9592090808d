// Made-up cards and players for tests of the page's scripts, and what tests do with them.

/** Fails unless two values are the same as JSON. */
export function equal(actual, expected) {
  const [is, shouldBe] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== shouldBe) throw new Error(`expected ${shouldBe}, not ${is}`);
}

/** Gives a video element the state of a player, which a test may read and change. */
export function makeUp(video, { time = 0, duration = 100, isLoaded = true } = {}) {
  const readyState = isLoaded ? 4 : 0;
  const state = { currentTime: time, duration, readyState, paused: true, ended: false };
  for (const [name, value] of Object.entries(state)) {
    Object.defineProperty(video, name, { value, writable: true });
  }
  video.play = async () => { video.paused = false; };
  video.pause = () => { video.paused = true; };
  return video;
}

function laneClip([start, end], duration) {
  const [x, width] = [start, end - start].map((seconds) => (100 * seconds) / duration);
  return `<a href="#" data-start="${start}" data-end="${end}" aria-label="clip at ${start}">
    <rect class="fill" x="${x}%" y="1" width="${width}%" height="14"/></a>`;
}

function listedClip([start, end], id) {
  return `<li><a class="clip" href="#" data-player="${id}-player" data-start="${start}"
    data-end="${end}">clip</a></li>`;
}

/**
 * Adds a card with clips, each [start, end] in seconds, and returns its player.
 * Its only lane is 400 pixels wide and begins 100 pixels from the left.
 */
export function addCard(options = {}) {
  const { id = "video-1", videoId = "id0", clips = [[3, 5], [5, 8]], ...state } = options;
  const { duration = 100 } = state;
  document.body.insertAdjacentHTML("beforeend", `
    <article class="card" id="${id}" data-video="${videoId}" aria-labelledby="${id}-name">
      <div class="stage">
        <div class="screen">
          <video id="${id}-player" poster="data:,"></video><p hidden>notice</p>
        </div>
        <div class="timeline" data-player="${id}-player" data-duration="${duration}">
          <div class="lane" style="height: 20px">
            <svg style="position: absolute; left: 100px; width: 400px; height: 16px">
              <rect class="track" y="4" width="100%" height="8"/>
              ${clips.map((clip) => laneClip(clip, duration)).join("")}
              <rect class="playhead" x="0%" width="2" height="16" style="pointer-events: none"/>
            </svg>
          </div>
        </div>
      </div>
      <div class="proof">
        <ol>${clips.map((clip) => listedClip(clip, id)).join("")}</ol>
        <div class="actions"></div>
      </div>
    </article>`);
  return makeUp(document.getElementById(`${id}-player`), state);
}

/** Clicks on what is seen at a place, in pixels from a card's lane, and returns the event. */
export function clickLane(x, options = {}, id = "video-1") {
  const box = document.querySelector(`#${id} .lane svg`).getBoundingClientRect();
  const [clientX, clientY] = [box.left + x, box.top + 8];
  const event = new MouseEvent("click", {
    bubbles: true, cancelable: true, clientX, clientY, ...options,
  });
  document.elementFromPoint(clientX, clientY).dispatchEvent(event);
  return event;
}

/** Clicks with a key held down; returns whether the page leaves the click to the browser. */
export function isLeftToTheBrowser(target, modifier) {
  let isLeft = false;
  document.addEventListener("click", (event) => {
    isLeft = !event.defaultPrevented;
    event.preventDefault();
  }, { once: true });
  const options = { bubbles: true, cancelable: true, [modifier]: true };
  target.dispatchEvent(new MouseEvent("click", options));
  return isLeft;
}

/** Presses a key, by default with the focus nowhere, and returns the event. */
export function press(key, target = document.body, options = {}) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options });
  target.dispatchEvent(event);
  return event;
}

/** Resolves after the browser has drawn two frames. */
export function drawn() {
  return new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(resolve));
  });
}

/** Resolves when a condition holds, which is looked at with every frame. */
export async function until(holds) {
  if (holds()) return;
  await drawn();
  await until(holds);
}

function cardOf(videoId, place, words) {
  const id = `video-${place}`;
  return `
    <article class="card" id="${id}" data-video="${videoId}" aria-labelledby="${id}-name">
      <div class="stage">
        <video id="${id}-player" aria-labelledby="${id}-name"><track src="/${words}"></video>
        ${words.includes("timeline") ? `<div class="timeline">${words}</div>` : ""}
      </div>
      <div class="proof">${words}</div>
    </article>`;
}

/** The body of a page, whose parts all say the same words, around a main part. */
export function pageOf(words, main, { value = 50, hidden = "video" } = {}) {
  return `
    <p id="counts">${words}</p><p id="chips">${words}</p>
    <p id="groups">${words}</p><p id="export">${words}</p>
    <form id="view"><input type="hidden" name="group" value="${hidden}">
      <div class="slider">
        <output>${words}</output>
        <b class="histogram">${words}</b>
        <b class="passed">${words}</b>
        <input type="range" id="min_clip_score" value="${value}">
      </div>
    </form>
    <main id="videos">${main}</main>`;
}

/** The main part of a page with a list of cards, of these videos. */
export function listOf(words, ...videoIds) {
  const html = videoIds.map((videoId, place) => cardOf(videoId, place + 1, words)).join("");
  return `
    <p class="summary">${words}</p><div class="list">${html}</div><p class="pager">${words}</p>`;
}

/** The root element of a page with a body. */
export function rootOf(body) {
  const root = document.createElement("html");
  root.innerHTML = `<body>${body}</body>`;
  return root;
}

/** Replaces requests to the server by made-up ones, which a test answers; they are listed here. */
export function interceptRequests() {
  const requests = [];
  window.XMLHttpRequest = class extends EventTarget {
    open(method, address) {
      this.address = new URL(address, window.location);
      requests.push(this);
    }

    setRequestHeader() {}

    send() {}

    abort() {
      this.isAborted = true;
      this.dispatchEvent(new Event("abort"));
    }

    /** Answers with a page, and resolves when the page has taken it in. */
    async answer(body, status = 200) {
      this.status = status;
      this.response = new DOMParser().parseFromString(body, "text/html");
      this.dispatchEvent(new Event("load"));
      await drawn();
    }
  };
  return requests;
}

/** Keeps the tab on its page; the addresses it would have gone to are listed here. */
export function interceptNavigation() {
  const addresses = [];
  window.navigation.addEventListener("navigate", (event) => {
    if (event.destination.sameDocument) return;
    event.preventDefault();
    addresses.push(new URL(event.destination.url));
  });
  return addresses;
}
