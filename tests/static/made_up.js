// Made-up cards and players for tests of the page's scripts, and what tests do with them.

/** Fails unless two values are the same as JSON. */
export function equal(actual, expected) {
  const [is, shouldBe] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== shouldBe) throw new Error(`expected ${shouldBe}, not ${is}`);
}

/** Gives a video element the state of a player, which a test may read and change. */
export function makeUp(video, { time = 0, duration = 100, isLoaded = true } = {}) {
  const state = { currentTime: time, duration, readyState: isLoaded ? 4 : 0, paused: true, ended: false };
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
export function addCard({ id = "video-1", videoId = "id0", clips = [[3, 5], [5, 8]], ...state } = {}) {
  const { duration = 100 } = state;
  document.body.insertAdjacentHTML("beforeend", `
    <article class="card" id="${id}" data-video="${videoId}" aria-labelledby="${id}-name">
      <div class="stage">
        <div class="screen"><video id="${id}-player" poster="data:,"></video><p hidden>notice</p></div>
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
