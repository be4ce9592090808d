import { fetchPage } from "../../static/fetching.js";
import { equal, interceptRequests } from "./made_up.js";

async function reasonOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was not rejected");
}

export async function pageIsParsedAndBelongsToThisOne() {
  const requests = interceptRequests();
  const fetched = fetchPage("/some?page=2");
  equal([requests[0].address.pathname, requests[0].responseType], ["/some", "document"]);
  requests[0].answer("<p>words</p><script>document.title = 'run'</script>");
  const root = await fetched;
  document.body.append(root.querySelector("p"), root.querySelector("script"));
  equal(root.ownerDocument === document, true);
  equal([document.querySelector("p").textContent, document.title], ["words", ""]);
}

export async function pageThatIsNotThereIsAnError() {
  const requests = interceptRequests();
  const reason = reasonOf(fetchPage("/gone"));
  requests[0].statusText = "Not Found";
  requests[0].answer("", 404);
  equal((await reason).message, "404 Not Found");
}

export async function serverThatDoesNotAnswerIsAnError() {
  const requests = interceptRequests();
  const reason = reasonOf(fetchPage("/"));
  requests[0].dispatchEvent(new Event("error"));
  equal((await reason).message, "the server did not answer");
}

export async function abortedFetchIsToldApart() {
  interceptRequests();
  const abort = new AbortController();
  const reason = reasonOf(fetchPage("/", abort.signal));
  abort.abort();
  equal((await reason).name, "AbortError");
}
