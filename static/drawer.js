// The list of all clips of a card, below it: its pages are loaded one by one as it is scrolled.
import { enhance } from "./cards.js";
import { fetchPage } from "./fetching.js";
import { onceNear } from "./near.js";

async function fetchDrawer(address) {
  return (await fetchPage(address)).querySelector(".drawer");
}

/** Lets the clips of a drawer play, and more of them come when the end of the list is near. */
function enhanceDrawer(drawer, card) {
  for (const clip of drawer.querySelectorAll("a.clip")) {
    clip.dataset.player = `${card.id}-player`;
  }
  enhance(drawer);
  const pager = drawer.querySelector(".pager");
  if (!pager) return;
  const list = drawer.querySelector(".all");
  list.append(pager); // the end of what is scrolled
  onceNear(pager, "200px", () => loadMore(drawer, card, pager), list);
}

async function loadMore(drawer, card, pager) {
  let next;
  try {
    next = await fetchDrawer(pager.querySelector("a").href);
  } catch {
    return; // the link stays, for whoever wants to try again
  }
  pager.remove();
  drawer.querySelector(".all").append(...next.querySelectorAll(".all > li"));
  const following = next.querySelector(".pager");
  if (following) drawer.append(following);
  enhanceDrawer(drawer, card);
}

/** Shows the clips at an address in a card's drawer, in place of those that are in it. */
async function showDrawer(card, address) {
  const drawer = await fetchDrawer(address);
  drawer.id = `${card.id}-drawer`;
  card.querySelector(".drawer")?.remove();
  card.append(drawer);
  enhanceDrawer(drawer, card);
  const form = drawer.querySelector("form");
  form.addEventListener("change", () => filterDrawer(card, form));
  form.addEventListener("submit", (event) => event.preventDefault());
}

async function filterDrawer(card, form) {
  const query = new URLSearchParams(new FormData(form));
  await showDrawer(card, `${form.action}?${query}`);
  card.querySelector(".drawer select").focus({ preventScroll: true });
}

function toggleDrawer(event) {
  const link = event.target.closest("a.all-clips");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const card = link.closest("article");
  const drawer = card.querySelector(".drawer");
  link.setAttribute("aria-expanded", String(!drawer));
  if (drawer) drawer.remove();
  else showDrawer(card, link.href).catch(() => { window.location.assign(link.href); });
}

/** Lets the links of cards open and close their drawers. */
export function listenToDrawers() {
  document.addEventListener("click", toggleDrawer);
}
