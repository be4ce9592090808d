import { onceNear } from "../../static/near.js";
import { equal, until } from "./made_up.js";

function scrollTo(y) {
  window.scrollTo({ top: y, behavior: "instant" });
}

export async function elementIsNearOnceWithinTheMargin() {
  document.body.innerHTML = "<div style='height: 5000px'></div><p>end</p>";
  const end = document.querySelector("p");
  const bottom = end.offsetTop - window.innerHeight;
  const calls = [];
  onceNear(end, "100px", () => calls.push("100px"));
  onceNear(end, "200px", () => calls.push("200px"));
  onceNear(end, "9000px", () => calls.push("9000px"));
  await until(() => calls.length > 0);
  equal(calls, ["9000px"]);
  scrollTo(bottom - 150);
  await until(() => calls.length > 1);
  equal(calls, ["9000px", "200px"]);
  scrollTo(0);
  onceNear(document.body, "0px", () => calls.push("top"));
  await until(() => calls.includes("top"));
  scrollTo(bottom - 50);
  await until(() => calls.length > 3);
  equal(calls, ["9000px", "200px", "top", "100px"]);
}
