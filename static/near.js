// Tells when an element comes near what is shown, so that content is loaded only then.

/**
 * Calls `act` once, when an element comes within `margin` of the part of `root` that is shown.
 * Without a `root` that is the window. An element that is taken off the page never comes near.
 */
export function onceNear(element, margin, act, root = null) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    act();
  }, { root, rootMargin: margin });
  observer.observe(element);
}
