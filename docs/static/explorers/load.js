// Puts an explorer in the place of its picture. Without scripts, and from a disk, where a browser imports no module, the
// picture stays.
"use strict";

{
  const here = document.currentScript.src;
  const load = async (place) => {
    const [{ mount }, explorer] = await Promise.all(
      ["mount", place.dataset.explorer].map((name) => import(new URL(`${name}.js`, here))),
    );
    mount(place, explorer, JSON.parse(place.querySelector("script").textContent));
  };
  if (location.protocol.startsWith("http")) document.querySelectorAll("[data-explorer]").forEach(load);
}
