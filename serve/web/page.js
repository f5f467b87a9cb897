"use strict";

const TEXTS = {
  ko: {
    lead: "어제와 오늘의 기온을 넣으면 공원 전광판에 띄울 한 문장을 씁니다. 규칙을 하나라도 어긴 문장은 내보내지 않습니다.",
    board: "공원 전광판",
    idle: "이 자리에 안내문이 나타납니다.",
    waiting: "쓰는 중입니다",
    yesterday: "어제 기온",
    today: "오늘 기온",
    more: "더 보기",
    temperature: "표현의 자유로움",
    temperatureHelp: "0이면 늘 같은 문장을 쓰고, 높일수록 여러 표현을 씁니다.",
    key: "API 키",
    write: "안내문 쓰기",
    docs: "API 문서",
    passed: "규칙 여덟 가지를 모두 지켰습니다",
    failed: "어긴 규칙이 있습니다",
    state: { true: "✓ 통과", false: "✗ 어김" },
    facts: { delta: "기온 변화", source: "출처", latency: "걸린 시간", attempts: "읽어 본 답", model: "모델", run: "학습" },
    sources: { model: "모델의 첫 답", retry: "모델의 다른 답", template: "사람이 써 둔 문장" },
    rules: {
      label: "제목이나 따옴표 없이 안내문만 있다",
      one_sentence: "완결된 존댓말 한 문장이다",
      script: "한글과 숫자, 보통 문장 부호뿐이다",
      length: "40자에서 70자 사이다",
      delta: "어제와의 차이를 바른 숫자로 밝힌다",
      direction: "오르내린 방향이 맞다",
      park: "공원을 말한다",
      safety: "오늘 기온에 해로운 조언이 없다",
    },
    unreachable: "서버에 닿지 못했습니다. 서버가 켜져 있는지 확인해 주십시오.",
    unreadable: "서버의 대답을 읽을 수 없습니다.",
    later: (seconds) => `${seconds}초 뒤에 다시 시도해 주십시오.`,
  },
  en: {
    lead: "Give yesterday's and today's temperature and get one Korean sentence for a park display. A sentence that breaks any rule is not served.",
    board: "Park display",
    idle: "이 자리에 안내문이 나타납니다.",
    waiting: "쓰는 중입니다",
    yesterday: "Yesterday",
    today: "Today",
    more: "More",
    temperature: "Sampling temperature",
    temperatureHelp: "0 always writes the same sentence; higher values vary it.",
    key: "API key",
    write: "Write the notice",
    docs: "API documentation",
    passed: "All eight rules are kept",
    failed: "A rule is broken",
    state: { true: "✓ kept", false: "✗ broken" },
    facts: { delta: "Change", source: "Source", latency: "Time", attempts: "Answers judged", model: "Model", run: "Run" },
    sources: { model: "model, first answer", retry: "model, further answer", template: "ready-made sentence" },
    rules: {
      label: "The bare notice, no label or quotes",
      one_sentence: "One complete, polite sentence",
      script: "Hangul, figures and ordinary punctuation only",
      length: "40 to 70 characters",
      delta: "The right size of the change, in figures",
      direction: "The right direction of the change",
      park: "Names the park (공원)",
      safety: "No advice that is wrong for today's temperature",
    },
    unreachable: "The server cannot be reached. Is it running?",
    unreadable: "The server's answer cannot be read.",
    later: (seconds) => `Try again in ${seconds} s.`,
  },
};
const FIELDS = ["yesterday_temp", "today_temp", "temperature"];
const GIVE_UP_MS = 30000;

const at = (id) => document.getElementById(id);
let language = "ko";
let answer = null; // what is shown: the last notice
let trouble = null; // or the last error: a key of TEXTS or the server's own

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function shown(measured) {
  if (measured === null) return "";
  if (Array.isArray(measured)) return measured.join(", ");
  return typeof measured === "object" ? JSON.stringify(measured) : String(measured);
}

function showFacts(text) {
  const facts = {
    delta: `${answer.delta > 0 ? "+" : answer.delta < 0 ? "−" : ""}${Math.abs(answer.delta)}℃`,
    source: text.sources[answer.source] ?? answer.source,
    latency: `${Math.round(answer.latency_ms)} ms`,
    attempts: String(answer.attempts),
    model: answer.model,
    run: answer.run_id,
  };
  const rows = Object.entries(facts).filter(([, value]) => value !== null);
  at("facts").replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("div");
    const term = make("dd", "", value);
    term.id = `fact-${name}`;
    row.append(make("dt", "", text.facts[name]), term);
    return row;
  }));
}

function showRules(text) {
  at("result-title").textContent = answer.verdict.passed ? text.passed : text.failed;
  at("rules").replaceChildren(...Object.entries(answer.verdict.rules).map(([name, rule]) => {
    const row = document.createElement("li");
    row.id = `rule-${name}`;
    row.className = rule.passed ? "" : "failed";
    row.append(
      make("span", "state", text.state[rule.passed]),
      make("span", "name", text.rules[name] ?? name),
      make("span", "measured", shown(rule.measured)),
    );
    if (rule.reason) row.append(make("span", "reason", rule.reason));
    return row;
  }));
}

function showTrouble(text) {
  const fields = trouble?.fields ?? [];
  for (const field of FIELDS) {
    const reasons = fields.filter((each) => each.field === field).map((each) => each.reason);
    at(`${field}-error`).textContent = reasons.join("; ");
    at(field).removeAttribute("aria-invalid");
    if (reasons.length) at(field).setAttribute("aria-invalid", "true");
  }
  let said = "";
  if (trouble?.text) said = text[trouble.text];
  else if (trouble) said = `${trouble.code}: ${trouble.message}`;
  if (trouble?.after) said += ` ${text.later(trouble.after)}`;
  at("error").textContent = said;
}

function show() {
  const text = TEXTS[language];
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text[element.dataset.text];
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  at("board").classList.toggle("idle", answer === null);
  at("notice").textContent = answer?.message ?? text.idle;
  at("result").hidden = answer === null;
  if (answer) {
    showFacts(text);
    showRules(text);
  }
  showTrouble(text);
}

function asked() {
  const body = {};
  for (const field of FIELDS) {
    if (at(field).value !== "") body[field] = Number(at(field).value); // an empty field is left out: the server says so
  }
  return body;
}

async function ask() {
  const headers = { "Content-Type": "application/json" };
  if (at("key").value) headers.Authorization = `Bearer ${at("key").value}`;
  let response;
  try {
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    response = await fetch("generate/temperature", { method: "POST", headers, body: JSON.stringify(asked()), signal });
  } catch {
    return { trouble: { text: "unreachable" } };
  }
  let body;
  try {
    body = await response.json();
  } catch {
    return { trouble: { text: "unreadable" } };
  }
  if (response.ok) return { answer: body };
  if (!body?.error) return { trouble: { text: "unreadable" } };
  return { trouble: { ...body.error, status: response.status, after: response.headers.get("Retry-After") } };
}

async function write(event) {
  event.preventDefault();
  if (at("write").getAttribute("aria-disabled") === "true") return;
  at("write").setAttribute("aria-disabled", "true");
  at("board").classList.add("waiting");
  at("notice").textContent = TEXTS[language].waiting;
  const found = await ask();
  at("board").classList.remove("waiting");
  at("write").setAttribute("aria-disabled", "false");
  answer = found.answer ?? null;
  trouble = found.trouble ?? null;
  if (trouble?.status === 401) at("key-field").hidden = false;
  show();
  if (trouble?.status === 401) at("key").focus();
  else document.querySelector("[aria-invalid]")?.focus();
}

function speak(chosen) {
  language = chosen;
  try {
    localStorage.setItem("ondo-language", chosen);
  } catch { /* a browser without storage forgets the choice */ }
  show();
}

function remembered() {
  try {
    return localStorage.getItem("ondo-language");
  } catch {
    return null;
  }
}

language = remembered() ?? (navigator.language.startsWith("ko") ? "ko" : "en");
if (!(language in TEXTS)) language = "ko";
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => speak(button.dataset.language));
}
at("temperature").addEventListener("input", () => {
  at("temperature-value").textContent = Number(at("temperature").value).toFixed(1);
});
at("form").addEventListener("submit", write);
show();
