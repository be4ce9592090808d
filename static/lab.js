// The prompt lab's form: says that a run is in progress, and prevents a second one meanwhile.
const form = document.querySelector("#lab form");

form.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "run") return;
  document.getElementById("waiting").textContent = "Running. This takes a few seconds.";
  // Later, so that the browser still sends the button's value.
  setTimeout(() => { event.submitter.disabled = true; });
});

// A page that comes back from the browser's memory is ready to run again.
window.addEventListener("pageshow", () => {
  document.getElementById("waiting").textContent = "";
  for (const button of form.querySelectorAll("button[value=run]")) button.disabled = false;
});
