"use strict";
const filters = [...document.querySelectorAll("[data-filter]")];
function show() {
  let count = 0;
  for (const row of document.querySelectorAll(".index tbody tr")) {
    row.hidden = !filters.every((f) => !f.value || row.dataset[f.dataset.filter].split(";").includes(f.value));
    count += !row.hidden;
  }
  document.getElementById("count").textContent = count;
}
for (const filter of filters) filter.addEventListener("change", show);
show();
