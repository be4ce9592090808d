// Pages of our own server as documents: parsed by the browser, with no script in them run.

/** Resolves to the document at an address; rejects where there is none or the signal aborts. */
export function fetchDocument(address, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.addEventListener("load", () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(new Error(`${request.status} ${request.statusText}`));
    });
    request.addEventListener("error", () => reject(new Error("The page is out of reach")));
    request.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send();
  });
}
