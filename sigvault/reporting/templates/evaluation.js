// Runs the library, which lies in the page as text, when somebody asks for the view.
document.getElementById("show-space").addEventListener("click", () => {
  const place = document.getElementById("space");
  const script = document.createElement("script");
  script.textContent = document.getElementById("space-library").textContent;
  document.body.append(script);
  const figure = JSON.parse(document.getElementById("space-figure").textContent);
  place.replaceChildren();
  place.classList.add("shown");
  if (matchMedia("(max-width: 700px)").matches) figure.layout.showlegend = false;
  Plotly.newPlot(place, figure.data, figure.layout, {
    displaylogo: false,
    modeBarButtons: [["zoom3d", "pan3d", "orbitRotation", "resetCameraDefault3d", "toImage"]],
    responsive: true,
  });
});
