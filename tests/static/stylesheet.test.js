import { equal } from "./made_up.js";

function backgroundOf(level) {
  const cell = `<td class="hue-0 heat-${level}">50</td>`;
  document.body.innerHTML = `<table class="heat"><tr>${cell}</tr></table>`;
  return getComputedStyle(document.querySelector("td")).backgroundColor;
}

function shareOf(level) {
  document.body.innerHTML = `<i class="heat-${level}"></i>`;
  return parseFloat(getComputedStyle(document.querySelector("i")).getPropertyValue("--heat"));
}

export async function heatCellsAreTheStrongerTheHigherTheirLevel() {
  const sheet = document.createElement("link");
  const loaded = new Promise((resolve) => { sheet.addEventListener("load", resolve); });
  Object.assign(sheet, { rel: "stylesheet", href: "/static/page.css" });
  document.head.append(sheet);
  await loaded;
  const levels = [...Array(11).keys()];
  const shares = levels.map(shareOf);
  equal(shares, shares.toSorted((one, other) => one - other));
  equal([shares[0], new Set(shares).size], [0, 11]);
  equal(new Set(levels.map(backgroundOf)).size, 11);
}
