"use strict";
// Queries the models of this server through TF Serving's REST API, and shows the results.

const byId = (id) => document.getElementById(id);

function element(tag, text = "", properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  made.textContent = text;
  return made;
}

// By signature: the title, the inputs with examples, and the function that shows the
// result. A request has a batch of one row.
const QUESTIONS = {
  fill_mask: {
    title: "Fill in [MASK]",
    fields: { texts: "The [MASK] sat on the [MASK]." },
    draw: drawGuesses,
  },
  similarity: {
    title: "Similarity of two texts",
    fields: { first: "A man plays the guitar.", second: "Someone makes music." },
    draw: drawSimilarity,
  },
  attention: {
    title: "Attention of a head",
    fields: { texts: "The cat sat on the mat because it was tired.", layers: 1, heads: 1 },
    draw: drawAttention,
  },
  classify_texts: { title: "Class of a text", fields: { texts: "" }, draw: drawClasses },
  classify_pairs: {
    title: "Class of a pair of texts",
    fields: { first: "", second: "" },
    draw: drawClasses,
  },
  score_texts: { title: "Score of a text", fields: { texts: "" }, draw: drawScore },
  score_pairs: {
    title: "Score of a pair of texts",
    fields: { first: "", second: "" },
    draw: drawScore,
  },
  tag: { title: "Tags and entities", fields: { texts: "" }, draw: drawTags },
  correct: { title: "Corrections", fields: { texts: "" }, draw: drawCorrection },
  answer: {
    title: "Question about a text",
    fields: { questions: "", contexts: "" },
    draw: drawSpan,
  },
};

// --- Answers.

function bar(label, share) {
  const row = element("div", "", { className: "bar" });
  const length = element("i");
  length.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  row.append(element("span", label), length, element("span", share.toFixed(3)));
  return row;
}

function bars(labels, shares) {
  return labels.map((label, place) => bar(label, shares[place]));
}

function drawGuesses(answer) {
  const found = [];
  answer.tokens.forEach((tokens, place) => {
    if (!tokens[0]) return;
    found.push(element("h2", `Mask ${place + 1}`));
    found.push(...bars(tokens, answer.probabilities[place]));
  });
  return found.length ? found : [element("p", "There is no [MASK] in the text.")];
}

function drawClasses(answer) {
  return [element("h2", answer.label), ...bars(answer.labels, answer.probabilities)];
}

function drawScore(answer) {
  return [element("p", answer.score.toFixed(3), { className: "number" })];
}

function drawSimilarity(answer) {
  const note = element("p", "The cosine, from -1 to 1.", { className: "note" });
  return [element("p", answer.similarity.toFixed(3), { className: "number" }), note];
}

// A text with marked parts, each [first, last, label]. The offsets count Unicode
// characters, while JavaScript's strings consist of UTF-16 units.
function marked(text, parts) {
  const characters = Array.from(text);
  const shown = element("p", "", { className: "text" });
  let done = 0;
  for (const [first, last, label] of parts) {
    shown.append(characters.slice(done, first).join(""));
    const mark = element("mark", characters.slice(first, last).join(""));
    mark.append(element("small", label));
    shown.append(mark);
    done = last;
  }
  shown.append(characters.slice(done).join(""));
  return shown;
}

function drawTags(answer, inputs) {
  if (!answer.entities) {
    const shown = answer.words
      .map((word, place) => `${word} ${answer.tags[place]}`)
      .filter((pair) => pair.trim());
    return [element("p", shown.join("   "), { className: "text" })];
  }
  const parts = answer.entities
    .map((entity, place) => [
      answer.entity_first_characters[place],
      answer.entity_last_characters[place],
      `${answer.entity_types[place]} ${answer.entity_probabilities[place].toFixed(2)}`,
    ])
    .filter(([first]) => first >= 0);
  return [marked(inputs.texts, parts)];
}

function drawCorrection(answer, inputs) {
  const parts = answer.edit_probabilities
    .map((probability, place) => [
      answer.edit_first_characters[place],
      answer.edit_last_characters[place],
      `→ ${answer.replacements[place]} ${probability.toFixed(2)}`,
    ])
    .filter(([first]) => first >= 0);
  const corrected = element("p", answer.corrected, { className: "text" });
  return [corrected, element("h2", "Edits"), marked(inputs.texts, parts)];
}

function drawSpan(answer, inputs) {
  const found = [];
  if (answer.start >= 0) {
    const label = answer.probability.toFixed(2);
    found.push(marked(inputs.contexts, [[answer.start, answer.end, label]]));
  } else {
    found.push(element("p", "The text does not contain an answer."));
  }
  found.push(element("h2", "The best spans"));
  const best = answer.best_answers.map((text, place) => [
    text,
    answer.best_probabilities[place],
  ]);
  const real = best.filter(([text]) => text);
  found.push(...bars(real.map(([text]) => text), real.map(([, share]) => share)));
  found.push(bar("(no answer)", answer.no_answer_probability));
  return found;
}

function drawAttention(answer) {
  const tokens = answer.tokens.filter((token) => token);
  const size = 22;
  const margin = 110;
  const canvas = element("canvas", "", {
    width: margin + tokens.length * size,
    height: margin + tokens.length * size,
  });
  const pen = canvas.getContext("2d");
  pen.font = "13px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const most = Math.max(...answer.attention.flat());
  tokens.forEach((token, place) => {
    const middle = margin + (place + 0.5) * size;
    pen.fillStyle = "#1c2733";
    pen.textAlign = "right";
    pen.fillText(token, margin - 6, middle, margin - 10);
    pen.save();
    pen.translate(middle, margin - 6);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "left";
    pen.fillText(token, 0, 0, margin - 10);
    pen.restore();
    tokens.forEach((_, other) => {
      const share = answer.attention[place][other];
      pen.fillStyle = `rgba(36, 99, 168, ${share / most})`;
      pen.fillRect(margin + other * size, margin + place * size, size - 1, size - 1);
    });
  });
  const note =
    "From each token (a row, which sums to 1) to each token (a column); " +
    `the darkest cell is ${most.toFixed(2)}.`;
  return [canvas, element("p", note, { className: "note" })];
}

// --- Questions.

let models = [];

function chosen() {
  const model = models.find((found) => found.name === byId("model").value);
  return { model, name: byId("question").value };
}

function showQuestions() {
  const { model } = chosen();
  const known = Object.keys(QUESTIONS).filter((name) => model.signatures.includes(name));
  byId("question").replaceChildren(
    ...known.map((name) => element("option", QUESTIONS[name].title, { value: name })),
  );
  showForm();
}

function showForm() {
  const form = byId("form");
  form.replaceChildren();
  byId("answer").replaceChildren();
  byId("error").textContent = "";
  const { name } = chosen();
  if (!name) {
    byId("error").textContent = "This page has no form for the model's signatures.";
    return;
  }
  for (const [field, example] of Object.entries(QUESTIONS[name].fields)) {
    const isNumber = typeof example === "number";
    const input = element(isNumber ? "input" : "textarea", "", { name: field });
    if (isNumber) Object.assign(input, { type: "number", min: 1 });
    input.value = example;
    const label = element("label", field);
    label.append(input);
    form.append(label);
  }
  form.append(element("button", "Send", { type: "submit" }));
}

async function ask(event) {
  event.preventDefault();
  const { model, name } = chosen();
  const inputs = {};
  for (const [field, example] of Object.entries(QUESTIONS[name].fields)) {
    const value = byId("form").elements[field].value;
    inputs[field] = typeof example === "number" ? Number(value) : value;
  }
  const path = `/v1/models/${encodeURIComponent(model.name)}:predict`;
  const body = JSON.stringify({ signature_name: name, instances: [inputs] }, null, 1);
  byId("request").textContent = `POST ${path}\n${body}`;
  byId("error").textContent = "";
  const button = byId("form").querySelector("button");
  button.disabled = true;
  try {
    const response = await fetch(path, { method: "POST", body });
    const content = await response.json();
    if (!response.ok) throw new Error(content.error);
    const answer = content.predictions[0];
    const drawn = QUESTIONS[name].draw(answer, inputs);
    if (answer.truncated) {
      const note = "The text is too long for the model: its end was ignored.";
      drawn.push(element("p", note, { className: "note" }));
    }
    byId("answer").replaceChildren(...drawn);
  } catch (error) {
    byId("answer").replaceChildren();
    byId("error").textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

async function start() {
  models = await (await fetch("/models")).json();
  if (!models.length) {
    byId("error").textContent = "No model is served yet. Reload the page later.";
    return;
  }
  byId("model").replaceChildren(
    ...models.map(({ name, version }) =>
      element("option", `${name}, version ${version}`, { value: name }),
    ),
  );
  byId("model").addEventListener("change", showQuestions);
  byId("question").addEventListener("change", showForm);
  byId("form").addEventListener("submit", ask);
  showQuestions();
  // A link may contain a request: ?model=demo&question=fill_mask&texts=The+[MASK]+sat.
  const wanted = new URLSearchParams(location.search);
  if (models.some(({ name }) => name === wanted.get("model"))) {
    byId("model").value = wanted.get("model");
    showQuestions();
  }
  if (wanted.has("question")) {
    byId("question").value = wanted.get("question");
    showForm();
    for (const [field, value] of wanted) {
      const input = byId("form").elements[field];
      if (input) input.value = value;
    }
    byId("form").requestSubmit();
  }
}

start();
