// Calls the library as it is installed; prints what it says of each text of the command line, a line each.
import koffi from "koffi";

const [path, ...texts] = process.argv.slice(2);
const lib = koffi.load(path);
const fns = {
  open: lib.func("int backstop_classifier_new(const char *conninfo, _Out_ void **out, _Out_ void **error)"),
  close: lib.func("void backstop_classifier_free(void *classifier)"),
  judge: lib.func("int backstop_classify(void *classifier, const char *sql, size_t bytes, _Out_ void **out, _Out_ void **error)"),
  risk: lib.func("int backstop_judgement_risk(const void *judgement)"),
  json: lib.func("const char *backstop_judgement_json(const void *judgement)"),
  free: lib.func("void backstop_judgement_free(void *judgement)"),
  message: lib.func("const char *backstop_error_message(const void *error)"),
  forget: lib.func("void backstop_error_free(void *error)"),
};

function made(call, ...args) {
  const out = [null], error = [null];
  if (call(...args, out, error) === 0) return out[0];
  const message = fns.message(error[0]);
  fns.forget(error[0]);
  throw new Error(message);
}

// On the main thread, and on one of the pool's, whose stacks are smaller.
const classifier = made(fns.open, null);
for (const text of texts) {
  const bytes = Buffer.byteLength(text);
  const judged = made(fns.judge, classifier, text, bytes);
  console.log(JSON.stringify({ risk: fns.risk(judged), judged: JSON.parse(fns.json(judged)) }));
  fns.free(judged);
  const out = [null], error = [null];
  const code = await new Promise((resolve, reject) => fns.judge.async(classifier, text, bytes, out, error,
    (failed, got) => (failed ? reject(failed) : resolve(got))));
  if (code !== 0) throw new Error(`code ${code}`);
  console.log(JSON.stringify({ risk: fns.risk(out[0]), judged: JSON.parse(fns.json(out[0])) }));
  fns.free(out[0]);
}
fns.close(classifier);
