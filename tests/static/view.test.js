import { addressOf } from "../../static/view.js";
import { equal } from "./made_up.js";

function viewForm() {
  document.body.innerHTML = `
    <form action="/">
      <input type="hidden" name="class" value="">
      <input type="hidden" name="group" value="video">
      <input type="search" name="q" value="">
      <select name="evidence"><option value="">any</option><option value="visual">picture</option></select>
      <select name="sort"><option value="score">by score</option><option value="name">by name</option></select>
      <input type="range" name="min_clip_score" max="100" step="1" value="65" data-default="65.0">
      <input type="range" name="min_duration_ratio" max="1" step="0.01" value="0.5" data-default="0.5">
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
