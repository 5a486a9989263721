// Matches patterns as JSON Schema does in JavaScript. The argument is a list of patterns with
// strings. The script prints whether each pattern matches.

const cases = JSON.parse(process.argv[2]);
const found = cases.map(({ pattern, texts }) => {
  const expression = new RegExp(pattern, "u");
  return texts.map((text) => expression.test(text));
});
console.log(JSON.stringify({ found }));
