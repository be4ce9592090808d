import { equal } from "./made_up.js";

export async function runningIsSaidAndNotStartedTwice() {
  document.body.innerHTML = `<main id="lab"><form>
    <button name="action" value="add">Add</button><button name="action" value="run">Run</button>
    <span id="waiting"></span></form></main>`;
  await import("../../static/lab.js");
  const [add, run] = document.querySelectorAll("button");
  const waiting = document.getElementById("waiting");
  const sent = [];
  document.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    sent.push(new FormData(event.target, event.submitter).get("action"));
  });
  add.click();
  equal([waiting.textContent, run.disabled], ["", false]);
  run.click();
  await new Promise((resolve) => { setTimeout(resolve); });
  equal([waiting.textContent, run.disabled], ["Running. This takes a few seconds.", true]);
  equal(sent, ["add", "run"]);
  window.dispatchEvent(new Event("pageshow"));
  equal([waiting.textContent, run.disabled], ["", false]);
}
