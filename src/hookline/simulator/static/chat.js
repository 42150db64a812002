"use strict";
// The chat page: sends what the person does, and fetches the conversation anew whenever the server says it has changed.

const app = document.getElementById("app");
const { account, contact } = app.dataset;
const text = document.getElementById("text");
const answering = document.getElementById("answering");
const fragments = window.trustedTypes
  ? window.trustedTypes.createPolicy("fragments", { createHTML: (html) => html })
  : { createHTML: (html) => html };
// What the next text does besides being said: {replyTo: id}, or {edit: id}.
let aim = {};
// The server's last HTML of each piece: what is the same is left alone, and keeps its focus and its open menus.
const drawn = new Map();
// The person has done something: show what comes of it, wherever they were looking.
let follow = false;

const where = () => new URLSearchParams({ account, contact });

// -- asking the server

async function post(path, body, headers = { "Content-Type": "application/json" }) {
  const answer = await fetch(`/chat/${path}`, { method: "POST", headers, body });
  const said = await answer.json().catch(() => ({ error: `The simulator answered ${answer.status}.` }));
  if (!answer.ok) throw new Error(said.error);
  return said;
}

async function act(what) {
  follow = what.do !== "reaction";
  try {
    await post("act", JSON.stringify({ account, contact, ...what }));
    return true;
  } catch (error) {
    follow = false;
    tell(error.message);
    return false;
  }
}

function tell(message) {
  const toast = document.getElementById("toast");
  toast.textContent = message;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => (toast.textContent = ""), 6000);
}

async function fetched(path) {
  const answer = await fetch(`/chat/${path}?${where()}`);
  if (!answer.ok) throw new Error(`The simulator answered ${answer.status}.`);
  return new DOMParser().parseFromString(fragments.createHTML(await answer.text()), "text/html");
}

// -- drawing

function put(old, fresh, name) {
  const html = fresh.outerHTML;
  if (drawn.get(name) === html) return old;
  drawn.set(name, html);
  const open = [...old.querySelectorAll("details")].map((one) => one.open);
  const made = document.importNode(fresh, true);
  made.querySelectorAll("details").forEach((one, index) => (one.open = open[index] || false));
  old.replaceWith(made);
  return made;
}

function putBubbles(fresh) {
  const list = document.getElementById("bubbles");
  const wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const known = new Map([...list.children].map((one) => [one.dataset.id, one]));
  let last = null;
  for (const one of [...fresh.children]) {
    const { id } = one.dataset;
    let here = known.get(id);
    known.delete(id);
    if (here) {
      here = put(here, one, id);
    } else {
      drawn.set(id, one.outerHTML);
      here = document.importNode(one, true);
    }
    const next = last ? last.nextSibling : list.firstChild;
    if (next !== here) list.insertBefore(here, next);
    last = here;
  }
  known.forEach((one) => one.remove());
  if (wasAtEnd || follow) toEnd();
  follow = false;
}

function toEnd() {
  const list = document.getElementById("bubbles");
  list.scrollTop = list.scrollHeight;
}

async function drawThread() {
  const page = await fetched("thread");
  for (const name of ["head", "notices", "quick"]) {
    put(document.getElementById(name), page.getElementById(name), name);
  }
  putBubbles(page.getElementById("bubbles"));
}

async function drawPeople() {
  const page = await fetched("people");
  put(document.querySelector("#people > ul"), page.querySelector("ul"), "people");
}

// Draws one after another, and once for all that came meanwhile.
function paced(draw, seconds) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await draw().catch((error) => tell(error.message));
      await new Promise((done) => setTimeout(done, seconds * 1000));
    } while (again);
    busy = false;
  };
}

const showThread = paced(drawThread, 0.05);
const showPeople = paced(drawPeople, 0.5);

// -- news: as long as the page can be seen, the person is looking

let news = null;

function listen() {
  if (document.hidden || !contact) {
    if (news) news.close();
    news = null;
    return;
  }
  if (news) return;
  news = new EventSource(`/chat/news?${where()}`);
  news.addEventListener("thread", () => {
    showThread();
    showPeople();
  });
  news.addEventListener("people", showPeople);
}

// -- writing

function aimAt(next, words = "") {
  aim = next;
  answering.hidden = !words;
  answering.firstElementChild.textContent = words;
  if (words) text.focus();
}

function grow() {
  text.rows = Math.min(6, (text.value.match(/\n/g) || []).length + 1);
}

async function say(event) {
  event.preventDefault();
  const words = text.value.trim();
  if (!words) return;
  const what = aim.edit ? { do: "edit", messageId: aim.edit, text: words } : { do: "text", text: words, ...aim };
  if (await act(what)) {
    text.value = "";
    grow();
    aimAt({});
  }
}

async function sendFile(input) {
  const [file] = input.files;
  if (!file) return;
  try {
    const query = `${where()}&${new URLSearchParams({ filename: file.name })}`;
    const kept = await post(`upload?${query}`, file, { "Content-Type": file.type || "application/octet-stream" });
    const caption = text.value.trim();
    const words = app.dataset.platform === "whatsapp" ? { caption } : { text: caption };
    const done = await act({ do: kept.do, mediaId: kept.mediaId, filename: file.name, ...(caption ? words : {}) });
    if (done) text.value = "";
  } catch (error) {
    tell(error.message);
  }
  input.value = "";
}

// -- what can be clicked

function closeMenus(but) {
  document.querySelectorAll("details.menu[open]").forEach((one) => {
    if (one !== but) one.open = false;
  });
}

function clicked(event) {
  const target = event.target.closest("button, a, summary, label");
  const menu = event.target.closest("details.menu");
  closeMenus(target && target.tagName === "SUMMARY" ? menu : null);
  if (!target) return;
  const { act: what, react, message, answer, edit } = target.dataset;
  if (what) act(JSON.parse(what));
  else if (react !== undefined) act({ do: "reaction", messageId: message, emoji: react });
  else if (answer) aimAt({ replyTo: answer }, `Answering: ${excerptOf(target)}`);
  else if (edit) {
    text.value = target.dataset.text;
    grow();
    aimAt({ edit }, "Editing your message");
  } else if (target.dataset.stop !== undefined) aimAt({});
}

function excerptOf(target) {
  const part = target.closest("li").querySelector(".text, .heading, .card strong");
  return part ? part.textContent.trim().slice(0, 60) : "a message";
}

function pressed(event) {
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    closeMenus(null);
    if (menu) menu.firstElementChild.focus();
    else aimAt({});
  } else if (event.target === text && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    document.getElementById("composer").requestSubmit();
  } else if (event.target.matches(".as-button") && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    document.getElementById("file").click();
  }
}

async function addPerson(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  try {
    const made = await post("person", JSON.stringify({ name: form.get("name"), number: form.get("number") }));
    location.assign(`/?${new URLSearchParams({ account, contact: made.contact })}`);
  } catch (error) {
    tell(error.message);
  }
}

document.addEventListener("click", clicked);
document.addEventListener("keydown", pressed);
document.addEventListener("visibilitychange", listen);
const form = document.getElementById("new-person");
if (form) form.addEventListener("submit", addPerson);
if (contact) {
  document.getElementById("composer").addEventListener("submit", say);
  document.getElementById("file").addEventListener("change", (event) => sendFile(event.target));
  text.addEventListener("input", grow);
  toEnd();
  listen();
}
