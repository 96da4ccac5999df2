/** The page: puts the stores, the host and the components together. */
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import '@fontsource/inter/latin-600.css';
import '@fontsource/jetbrains-mono/latin-400.css';
import '@fontsource/jetbrains-mono/latin-600.css';
import 'dockview-vue/dist/styles/dockview.css';
import '@xterm/xterm/css/xterm.css';
import 'uplot/dist/uPlot.min.css';
import './styles/colors.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/memory.css';
import './styles/tables.css';
import './styles/dock.css';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './App.vue';
import { connectStores } from './api/connect-stores.ts';
import { throughPort } from './api/engine-port.ts';
import DockPanel from './components/frame/DockPanel.vue';
import DockTab from './components/frame/DockTab.vue';
import DockWatermark from './components/frame/DockWatermark.vue';

const PATIENCE_MS = 250;

const pinia = createPinia();
const connected = connectStores(pinia, throughPort(window.umbra));
// The page is made while the engine answers, and shown with the answer in it; an engine that has none keeps nobody from the window.
const page = document.querySelector<HTMLElement>('#app');
page?.classList.add('is-connecting');
// The docking library finds its parts by these names, which saved layouts contain.
createApp(App)
  .use(pinia)
  .component('DockPanel', DockPanel)
  .component('DockTab', DockTab)
  .component('DockWatermark', DockWatermark)
  .mount('#app');
await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
page?.classList.remove('is-connecting');
