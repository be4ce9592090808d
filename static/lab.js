// The lab works by itself; this only says that an answer is on its way, and keeps the place.
const form = document.querySelector("#lab form");

form.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "run") return;
  document.getElementById("waiting").textContent = "Asking the platform. This takes some seconds.";
  // After the browser has taken the button's value along.
  setTimeout(() => { event.submitter.disabled = true; });
});

// A page that comes back from the browser's memory is ready to ask again.
window.addEventListener("pageshow", () => {
  document.getElementById("waiting").textContent = "";
  for (const button of form.querySelectorAll("button[value=run]")) button.disabled = false;
});
