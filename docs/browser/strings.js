// What the page says, in English and Chinese. Labels are the corpus's own and are not translated.

const ENGLISH = {
  title: "What is in this text?",
  private: "Everything happens on this device. No text leaves it, and none is stored.",
  text: "Text",
  first: "First text",
  second: "Second text",
  loading: "Loading the model…",
  ready: "Type or paste a text.",
  decision: (labels) => `Decision: ${labels.join(", ")}`,
  none: "Decision: none of the labels",
  undecided: "No decision",
  person: "A person should read this text.",
  reasons: {
    unsure: "The model is not sure enough.",
    unreadable: "The model cannot read this text.",
    truncated: "The text is too long: its end was not read.",
    "crisis word": "The text has a word from the list of crisis words.",
    floor: "This label must not be missed, so a person reads every such text.",
  },
  scores: "Scores",
  threshold: (value) => `decided from ${value}`,
  all: "Show all labels",
  possible: (labels) => `Cannot be excluded: ${labels.join(", ")}`,
  words: "Words that counted",
  wordsHint: "Marked words raise the score of the label; struck words lower it. This shows what the model used, not why somebody feels so.",
  of: (label) => `For ${label}:`,
  file: "Many texts",
  fileHint: (names) => `A file with one text per line, or a .csv table with the column ${names.join(" and ")}.`,
  choose: "Choose a file",
  progress: (done, all) => `${done} of ${all} texts`,
  save: "Save the results",
  stop: "Stop",
  mismatch: "This browser does not give the bundle's own results. Do not rely on what it says.",
  about: (name, count) => `${name}: ${count} labels. It is not a crisis detector, and it can be wrong.`,
};

const CHINESE = {
  title: "这段文字表达了什么？",
  private: "一切都在本机上进行。文字不会离开这台设备，也不会被保存。",
  text: "文字",
  first: "第一段文字",
  second: "第二段文字",
  loading: "正在加载模型……",
  ready: "请输入或粘贴一段文字。",
  decision: (labels) => `判断：${labels.join("、")}`,
  none: "判断：没有符合的标签",
  undecided: "没有作出判断",
  person: "这段文字应由人来阅读。",
  reasons: {
    unsure: "模型把握不足。",
    unreadable: "模型无法读懂这段文字。",
    truncated: "文字过长，结尾部分没有读到。",
    "crisis word": "文字中含有危机词表里的词。",
    floor: "这个标签不能漏掉，因此凡是这样的文字都由人来阅读。",
  },
  scores: "分数",
  threshold: (value) => `达到 ${value} 即成立`,
  all: "显示全部标签",
  possible: (labels) => `不能排除：${labels.join("、")}`,
  words: "起作用的词",
  wordsHint: "标出的词提高该标签的分数，划去的词降低它。这只说明模型用了什么，并不说明人为什么有这样的感受。",
  of: (label) => `关于“${label}”：`,
  file: "批量处理",
  fileHint: (names) => `每行一段文字的文件，或含有 ${names.join("、")} 列的 .csv 表格。`,
  choose: "选择文件",
  progress: (done, all) => `已完成 ${done} / ${all}`,
  save: "保存结果",
  stop: "停止",
  mismatch: "这个浏览器算出的结果与模型包自带的结果不符，请不要依赖它。",
  about: (name, count) => `${name}：${count} 个标签。它不能发现危机，也可能出错。`,
};

export const LANGUAGES = { en: ENGLISH, zh: CHINESE };

/** The language of an address's ?lang=, or else the browser's first one that is known. */
export function languageOf(search, preferred) {
  const wanted = [new URLSearchParams(search).get("lang"), ...preferred].map((tag) => tag?.slice(0, 2).toLowerCase());
  return wanted.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? "en";
}
