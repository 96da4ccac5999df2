/** The page's end of its line to the engine: what is asked in one turn of the loop is one message, and so is its answer. */
import { MAX_QUESTIONS, PORT_GREETING } from '@core/protocol/index.ts';
import type { Answer, Params, PortAnswer, PortQuestion, RequestName, UmbraDesktop } from '@core/protocol/index.ts';

interface Waiting {
  readonly resolve: (answer: Answer<RequestName>) => void;
  readonly reject: (reason: Error) => void;
}

/** The host, with requests that go over its port. */
export function throughPort(host: UmbraDesktop): UmbraDesktop {
  const questions = portQuestions();
  addEventListener('message', function greet(event) {
    const [port] = event.ports;
    // Only this very window can send itself this; the preload does.
    if (event.source !== window || event.data !== PORT_GREETING || port === undefined) return;
    removeEventListener('message', greet);
    questions.connect(port);
  });
  host.connectEngine();
  return { ...host, request: questions.request };
}

export interface PortQuestions {
  readonly request: UmbraDesktop['request'];
  readonly connect: (port: MessagePort) => void;
}

export function portQuestions(): PortQuestions {
  const waiting = new Map<number, Waiting>();
  let outbox: PortQuestion[] = [];
  let port: MessagePort | undefined;
  let nextId = 0;

  function send(): void {
    if (port === undefined || outbox.length === 0) return;
    const questions = outbox;
    outbox = [];
    for (let first = 0; first < questions.length; first += MAX_QUESTIONS) {
      port.postMessage(questions.slice(first, first + MAX_QUESTIONS));
    }
  }

  function take(answers: readonly PortAnswer[]): void {
    for (const given of answers) {
      const asker = waiting.get(given.id);
      waiting.delete(given.id);
      if ('answer' in given) asker?.resolve(given.answer);
      else asker?.reject(new Error(given.refused));
    }
  }

  async function request<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    const id = nextId;
    nextId += 1;
    if (outbox.length === 0) queueMicrotask(send);
    outbox.push({ id, name, params });
    // A request is answered with the reply of its own name.
    return (await new Promise<Answer<RequestName>>((resolve, reject) =>
      waiting.set(id, { resolve, reject }),
    )) as Answer<K>;
  }

  return {
    request,
    connect(own) {
      port = own;
      own.onmessage = ({ data }) => take(data);
      send();
    },
  };
}
