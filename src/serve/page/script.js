// The form works without this script. With it images can be dropped, pasted, drawn and seen before they are sent, one
// after the other, and the results appear in place.
"use strict";
{
  const form = document.getElementById("upload");
  const inputs = [document.getElementById("image"), document.getElementById("camera")];
  const token = document.getElementById("token");
  const threshold = document.getElementById("threshold");
  const drop = form.querySelector(".drop");
  const list = document.getElementById("chosen");
  const button = form.querySelector("button");
  const progress = document.getElementById("progress");
  const outcome = document.getElementById("outcome");
  const template = document.getElementById("result");
  const heatmapWanted = document.getElementById("heatmap");
  const heatmapTemplate = document.getElementById("heatmap-view");
  const samples = document.getElementById("samples");
  const maxBytes = Number(form.dataset.maxBytes);
  const most = Number(form.dataset.most);
  const attempts = 4;

  const element = (name, className, text = "") => {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  };

  // Images: what was chosen, and how it is shown before it is sent.

  let chosen = [];

  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

  const image = (file, description) => {
    const image = element("img", "");
    image.alt = description;
    // A TIFF is read by the service and not by most browsers.
    image.onerror = () => image.remove();
    image.onload = () => URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(file);
    return image;
  };

  const tooLarge = (file) => file.size > maxBytes && `too large: at most ${size(maxBytes)} are read`;

  const choose = (files) => {
    chosen = [...files].slice(0, most);
    list.replaceChildren(...chosen.map((file) => {
      const item = element("li", "");
      const refusal = tooLarge(file);
      item.append(image(file, ""), element("span", "name", file.name),
        element("span", refusal ? "refusal" : "small", refusal || size(file.size)));
      return item;
    }));
    list.hidden = chosen.length === 0;
    button.textContent = chosen.length > 1 ? `Classify ${chosen.length} images` : "Classify";
    progress.textContent = files.length > most ? `Only the first ${most} images were taken.` : "";
    outcome.replaceChildren();
    if (chosen.length > 0) button.scrollIntoView({ block: "nearest" });
  };

  for (const input of inputs) input.addEventListener("change", () => choose(input.files));

  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length > 0) choose(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length > 0) choose(event.clipboardData.files);
  });
  form.querySelector("label[for=image]").textContent = "Choose images, drop or paste them here";

  // Samples: drawn on the spot.

  const drawTissue = (canvas, { seed, ground, nucleus, cells, ducts }) => {
    const random = () => (seed = (seed * 1664525 + 1013904223) % 4294967296) / 4294967296;
    const { width, height } = canvas;
    const brush = canvas.getContext("2d");
    const ellipse = (x, y, radius, colour) => {
      brush.fillStyle = colour;
      brush.beginPath();
      brush.ellipse(x, y, radius, radius * (0.6 + 0.4 * random()), Math.PI * random(), 0, 2 * Math.PI);
      brush.fill();
    };
    brush.fillStyle = ground;
    brush.fillRect(0, 0, width, height);
    for (let fibre = 0; fibre < 160; fibre += 1) {
      brush.strokeStyle = `rgba(255, 255, 255, ${0.25 * random()})`;
      brush.lineWidth = 1 + 4 * random();
      const [x, y] = [width * random(), height * random()];
      brush.beginPath();
      brush.moveTo(x, y);
      brush.quadraticCurveTo(x + 60, y + 40 * (random() - 0.5), x + 120, y + 60 * (random() - 0.5));
      brush.stroke();
    }
    for (let cell = 0; cell < cells; cell += 1) ellipse(width * random(), height * random(), 3 + 5 * random(), nucleus);
    for (let duct = 0; duct < ducts; duct += 1) {
      const [x, y, radius] = [width * random(), height * random(), 30 + 30 * random()];
      ellipse(x, y, radius, "#f6eef4");
      for (let cell = 0; cell < radius; cell += 1) {
        const angle = (2 * Math.PI * cell) / radius;
        ellipse(x + radius * Math.cos(angle), y + radius * Math.sin(angle), 4 + 2 * random(), nucleus);
      }
    }
  };

  const drawings = [
    { name: "light", seed: 1, ground: "#e7c3dc", nucleus: "rgba(118, 78, 150, .8)", cells: 120, ducts: 0 },
    { name: "dense", seed: 2, ground: "#b678ad", nucleus: "rgba(70, 35, 110, .8)", cells: 900, ducts: 0 },
    { name: "ducts", seed: 3, ground: "#dda6c8", nucleus: "rgba(96, 58, 140, .8)", cells: 90, ducts: 7 },
  ];
  for (const drawing of drawings) {
    const sample = element("button", "sample");
    const canvas = element("canvas", "");
    [canvas.width, canvas.height] = [350, 230];
    drawTissue(canvas, drawing);
    sample.type = "button";
    sample.setAttribute("aria-label", `Classify the drawn image: ${drawing.name}`);
    sample.append(canvas);
    sample.addEventListener("click", () => canvas.toBlob((blob) => {
      choose([new File([blob], `drawn-${drawing.name}.png`, { type: "image/png" })]);
      form.requestSubmit();
    }));
    samples.querySelector(".row").append(sample);
  }
  samples.hidden = false;

  // Results.

  const percent = (number) => {
    const rounded = (100 * number).toFixed(1);
    if (number < 1 && rounded === "100.0") return "over 99.9%";
    if (number > 0 && rounded === "0.0") return "under 0.1%";
    return `${rounded}%`;
  };
  const milliseconds = (number) => `${number.toFixed(1)} ms`;

  // A choice that needs this script: the form without it asks for several images at once, which have no heatmaps.
  if (heatmapWanted) heatmapWanted.closest("label").hidden = false;

  const heatmap = (answer) => {
    const view = heatmapTemplate.content.cloneNode(true);
    view.querySelector("img").src = answer.heatmap;
    for (const end of view.querySelectorAll("[data-field=range]")) end.textContent = answer.heatmap_range.toFixed(1);
    return view;
  };

  // In the words of the page without this script, which mod.rs has.
  const decided = ({ probability_malignant: probability, decision, flags }) => {
    if (decision === "abstain") {
      const reasons = flags.filter((flag) => flag !== "stain").map((flag) => `the flag ${flag}`).join(" and ");
      return `no decision is made, because of ${reasons}. The probability of malignancy is ${percent(probability)}.`;
    }
    return `the decision is ${decision}: the probability of malignancy, ${percent(probability)}, ` +
      `${decision === "malignant" ? "reaches" : "is below"} it.`;
  };

  const flagNames = (flags) => {
    if (!flags) return "not looked for: the weights file has no statistics for them";
    return flags.join(", ") || "none";
  };

  const result = (file, answer) => {
    const { probability_malignant: probability, threshold, decision, timings_ms: timings } = answer;
    const headings = { abstain: "No decision", benign: "Benign", malignant: "Malignant" };
    const label = answer.label.toLowerCase();
    const confidence = `${percent(answer.confidence)} confidence`;
    const fields = {
      name: file.name,
      heading: headings[decision],
      confidence: decision === label ? confidence : `The more probable class is ${label}, with ${confidence}`,
      decision: `At a threshold of ${threshold} ${decided(answer)}` +
        (answer.operating_point ? ` This threshold is the operating point ${answer.operating_point}.` : ""),
      flags: flagNames(answer.flags),
      notes: answer.notes.join(" "),
      probability: percent(probability),
      threshold: String(threshold),
      decode: milliseconds(timings.decode),
      queue: milliseconds(timings.queue),
      inference: milliseconds(timings.inference),
      model: `${answer.model.name} ${answer.model.version}`,
      json: JSON.stringify(answer, (name, value) => (name === "heatmap" ? "data:image/png;base64,..." : value), 2),
    };
    const view = template.content.cloneNode(true);
    for (const [name, text] of Object.entries(fields)) view.querySelector(`[data-field=${name}]`).textContent = text;
    for (const item of view.querySelectorAll("[data-flag]")) {
      if (!answer.flags?.includes(item.dataset.flag)) item.remove();
    }
    view.querySelector(".fill").setAttribute("width", 100 * probability);
    view.querySelector(".bar").setAttribute("aria-label",
      `Probability of malignancy ${percent(probability)}, threshold ${threshold}`);
    for (const end of ["x1", "x2"]) view.querySelector(".mark").setAttribute(end, 100 * threshold);
    view.querySelector("figure").append(image(file, "The image that was sent"));
    if (answer.heatmap) view.querySelector("[data-field=heatmap]").append(heatmap(answer));
    if (navigator.clipboard) {
      const copy = element("button", "quiet", "Copy JSON");
      copy.type = "button";
      copy.addEventListener("click", async () => {
        await navigator.clipboard.writeText(fields.json);
        copy.textContent = "Copied";
      });
      view.querySelector("details").append(copy);
    }
    return view;
  };

  const problem = (name, sentence) => {
    const view = element("article", "problem");
    view.append(element("p", "small", name), element("p", "", sentence));
    return view;
  };

  // Sending: one request for each image, so that each has its own progress and one that fails keeps no other back.

  const post = (file, show) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("image", file);
    if (threshold) body.append("threshold", threshold.value);
    if (heatmapWanted?.checked) body.append("heatmap", "true");
    request.open("POST", "/predict");
    request.setRequestHeader("Accept", "application/json");
    if (token) request.setRequestHeader("Authorization", `Bearer ${token.value}`);
    request.upload.onprogress = ({ loaded, total }) => show(loaded < total ? `sending, ${percent(loaded / total)}` : "classifying");
    request.onload = () => resolve(request);
    request.onerror = () => resolve(null);
    request.send(body);
  });

  const seconds = (number) => new Promise((resolve) => { setTimeout(resolve, 1000 * number); });

  const classify = async (file, show) => {
    const refusal = tooLarge(file);
    if (refusal) return problem(file.name, `This file is ${refusal}.`);
    for (let attempt = 1; ; attempt += 1) {
      const reply = await post(file, show);
      if (!reply) return problem(file.name, "The service did not answer. Is it still running?");
      if (reply.status === 503 && attempt < attempts) {
        show("the service is busy, trying again");
        await seconds(Number(reply.getResponseHeader("Retry-After")) || 1);
        continue;
      }
      try {
        const answer = JSON.parse(reply.responseText);
        return reply.status === 200 ? result(file, answer) : problem(file.name, answer.detail);
      } catch {
        return problem(file.name, `The service answered with status ${reply.status} and no result.`);
      }
    }
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (chosen.length === 0) {
      progress.textContent = "Choose an image first.";
      inputs[0].focus();
      return;
    }
    button.disabled = true;
    outcome.replaceChildren();
    for (const [index, file] of chosen.entries()) {
      const which = chosen.length > 1 ? `Image ${index + 1} of ${chosen.length}: ` : "";
      const show = (what) => { progress.textContent = `${which}${what}…`; };
      show("sending");
      outcome.append(await classify(file, show));
    }
    const all = (selector) => [...outcome.querySelectorAll(selector)];
    const headings = all("h2").map((heading) => heading.textContent);
    const flags = all("[data-flag]").map((item) => item.dataset.flag);
    const failed = chosen.length - headings.length;
    const undecided = headings.filter((heading) => heading === "No decision").length;
    progress.textContent = chosen.length === 1 && !failed
      ? `Result: ${headings[0]}${flags.length > 0 ? `, flagged ${flags.join(" and ")}` : ""}`
      : `${headings.length} of ${chosen.length} classified${undecided ? `, ${undecided} without a decision` : ""}` +
        `${failed ? `, ${failed} failed` : ""}`;
    button.disabled = false;
    outcome.scrollIntoView({ block: "nearest" });
  });
}
