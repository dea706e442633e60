"use strict";
// Shows what /openapi.json says, with a form for each operation. Text is only ever set as text.
const page = document.getElementById("api"), said = page.dataset, root = new URL(said.root, location.href);
const make = (tag, text, set = {}) => Object.assign(document.createElement(tag), {textContent: text || ""}, set);

function field(form, label, input) {
  const around = make("label", label);
  around.append(input);
  form.append(around);
  return input;
}

function parameter(form, one) {
  const schema = one.schema || {}, label = one.name + (one.required ? " *" : "") + (one.description ? ": " + one.description : "");
  const choices = [schema, ...(schema.anyOf || [])].find(of => of.enum)?.enum;
  if (!choices) return field(form, label, make("input", "", {required: !!one.required, name: one.name}));
  const input = field(form, label, make("select", "", {name: one.name}));
  for (const value of ["", ...choices.filter(String)]) input.append(make("option", value, {value}));
  return input;
}

async function send(method, path, inputs, body, kind, answer) {
  const query = new URLSearchParams();
  for (const {one, input} of inputs) {
    if (one.in === "path") path = path.replace(`{${one.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(one.name, input.value);
  }
  const address = new URL(path.slice(1) + (query.size ? "?" + query : ""), root);
  try {
    const options = {method};
    if (body) Object.assign(options, {body, headers: {"Content-Type": kind}});
    const got = await fetch(address, options), type = got.headers.get("Content-Type") || "";
    const shown = /json|text/.test(type) ? await got.text() : `${(await got.blob()).size} bytes, ${type}`;
    answer.textContent = `${got.status} ${got.statusText}\n${shown.slice(0, 100000)}`;
  } catch (error) {
    answer.textContent = String(error);
  }
}

function operation(path, method, what, shared) {
  const details = make("details", "", {className: "card"}), form = make("form", "", {className: "grid"});
  details.append(make("summary", `${method.toUpperCase()} ${path} - ${what.summary || ""}`), form);
  const inputs = [...shared, ...(what.parameters || [])].map(one => ({one, input: parameter(form, one)}));
  const kinds = Object.keys((what.requestBody || {}).content || {}).filter(kind => kind !== "multipart/form-data");
  const isText = kinds.length && /json|urlencoded/.test(kinds[0]);
  const body = kinds.length && method !== "get" &&
    field(form, isText ? `${said.body} (${kinds[0]})` : said.file, make(isText ? "textarea" : "input", "", isText ? {} : {type: "file"}));
  const answer = make("pre", "", {tabIndex: 0, className: "scroll"});
  answer.setAttribute("aria-label", said.answer);
  form.append(make("button", said.send), answer);
  form.addEventListener("submit", event => {
    event.preventDefault();
    const given = body && (isText ? body.value : body.files[0]);
    send(method.toUpperCase(), path, inputs, given, isText ? kinds[0] : "application/octet-stream", answer);
  });
  return details;
}

fetch(new URL("openapi.json", root)).then(got => got.json()).then(api => {
  for (const [path, item] of Object.entries(api.paths))
    for (const [method, what] of Object.entries(item))
      if (method !== "parameters" && method !== "head" && !/event-stream/.test(JSON.stringify(what.responses)))
        page.append(operation(path, method, what, item.parameters || []));
}).catch(error => page.append(make("p", String(error), {className: "mistake"})));
