/** The window over the scripted engine, to be looked at while a panel is being made. Never part of the program. */
import { FakeEngine } from '../fake-engine.ts';

const engine = new FakeEngine();
Object.assign(window, { umbra: engine, engine });
await import('../../../../renderer/src/main.ts');
