import { render } from 'preact';
import { App } from './app';
import { startNarrow } from './grid/Grid';
import { startLive } from './live/connection';
import { startRouter } from './router/router';
import './style/tokens.css';
import './style/base.css';
import './style/shell.css';
import './style/parts.css';
import './style/states.css';
import './style/grid.css';
import './style/window.css';
import './style/signals.css';

startRouter();
startNarrow();
startLive();
render(<App />, document.getElementById('page')!);
