// A line of JSON in, a line of JSON out: what the vendor's SDK for Node.js makes of it.
//
//   {"call": "callouts.tts", "with": {…}}               {"value": …} or {"error": "…"}
//   {"verify": {"headers", "body", "path", "method"}}   {"value": true or false}
//   {"parse": "…"}                                      {"value": the event}

const { createInterface } = require('node:readline');
const { VoiceCallbackWebhooks, VoiceService } = require('@sinch/voice');

console.log = console.info = console.debug = console.warn = console.error; // stdout is for answers

const { key, secret, calling, configuration } = JSON.parse(process.argv[2]);
const voice = new VoiceService({
  applicationKey: key,
  applicationSecret: secret,
  voiceHostname: calling,
  voiceApplicationManagementHostname: configuration,
});
const webhooks = new VoiceCallbackWebhooks({ applicationKey: key, applicationSecret: secret });

async function answer(question) {
  if (question.call) {
    const [group, method] = question.call.split('.');
    return await voice[group][method](question.with);
  }
  if (question.verify) {
    const { headers, body, path, method } = question.verify;
    return webhooks.validateAuthenticationHeader(headers, body, path, method);
  }
  return webhooks.parseEvent(question.parse);
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  let result;
  try {
    result = { value: await answer(JSON.parse(line)) };
  } catch (error) {
    result = { error: `${error.message} ${error.data ?? ''}` };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
});
