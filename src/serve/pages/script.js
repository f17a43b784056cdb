// The form works without this script. With it a picture can be dropped, is shown before it is sent, and the result
// appears in place.
"use strict";
{
  const form = document.getElementById("upload");
  const input = document.getElementById("image");
  const drop = form.querySelector(".drop");
  const button = form.querySelector("button");
  const outcome = document.getElementById("outcome");
  const template = document.getElementById("result");

  const preview = document.createElement("img");
  preview.alt = "The chosen picture";
  preview.hidden = true;
  // A TIFF is read by the service and not by most browsers.
  preview.onerror = () => { preview.hidden = true; };
  drop.prepend(preview);
  drop.querySelector("label").textContent = "Choose a picture, or drop one here";

  const show = () => {
    URL.revokeObjectURL(preview.src);
    const file = input.files[0];
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
    outcome.replaceChildren();
  };
  input.addEventListener("change", show);

  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length === 0) return;
    input.files = event.dataTransfer.files;
    show();
  });

  const percent = (number) => {
    const rounded = (100 * number).toFixed(1);
    if (number < 1 && rounded === "100.0") return "over 99.9%";
    if (number > 0 && rounded === "0.0") return "under 0.1%";
    return `${rounded}%`;
  };
  const milliseconds = (number) => `${number.toFixed(1)} ms`;

  const result = (answer) => {
    const { probability_malignant: probability, threshold, decision, timings_ms: timings } = answer;
    const fields = {
      label: answer.label,
      confidence: percent(answer.confidence),
      decision: `At a threshold of ${threshold} the decision is ${decision}: the probability of malignancy, ` +
        `${percent(probability)}, ${decision === "malignant" ? "reaches" : "is below"} it.`,
      probability: percent(probability),
      threshold: String(threshold),
      decode: milliseconds(timings.decode),
      queue: milliseconds(timings.queue),
      inference: milliseconds(timings.inference),
      model: `${answer.model.name} ${answer.model.version}`,
      request_id: answer.request_id,
    };
    const view = template.content.cloneNode(true);
    for (const [name, text] of Object.entries(fields)) view.querySelector(`[data-field=${name}]`).textContent = text;
    view.querySelector(".fill").setAttribute("width", 100 * probability);
    view.querySelector(".bar").setAttribute("aria-label",
      `Probability of malignancy ${percent(probability)}, threshold ${threshold}`);
    for (const end of ["x1", "x2"]) view.querySelector(".mark").setAttribute(end, 100 * threshold);
    return view;
  };

  const problem = (sentence) => {
    const view = document.createElement("p");
    view.className = "problem";
    view.textContent = sentence;
    return view;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    button.textContent = "Classifying…";
    try {
      const reply = await fetch(form.action, {
        method: "POST", body: new FormData(form), headers: { Accept: "application/json" },
      });
      const answer = await reply.json();
      outcome.replaceChildren(reply.ok ? result(answer) : problem(answer.detail));
    } catch {
      outcome.replaceChildren(problem("The service did not answer. Is it still running?"));
    }
    button.disabled = false;
    button.textContent = "Classify";
    outcome.scrollIntoView({ block: "nearest" });
  });
}
