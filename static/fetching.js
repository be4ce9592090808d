// Fetches pages of our own server; the browser parses them, and runs no script in them.

/**
 * Resolves to the root element of the page at an address, ready to be put into this page.
 * Rejects where there is no such page, and with an AbortError when the signal aborts.
 */
export function fetchPage(address, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.addEventListener("load", () => {
      if (request.status === 200 && request.response) {
        resolve(document.importNode(request.response.documentElement, true));
      } else {
        reject(new Error(`${request.status} ${request.statusText}`));
      }
    });
    request.addEventListener("error", () => reject(new Error("the server did not answer")));
    request.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send();
  });
}
