import { refusal } from './api/token';
import { place } from './router/router';
import { Hours } from './screens/hours/Hours';
import { HourPage } from './screens/hour/HourPage';
import { IncidentPage } from './screens/incidents/IncidentPage';
import { IncidentsPage } from './screens/incidents/IncidentsPage';
import { LatencyPage } from './screens/latency/LatencyPage';
import { Missing } from './screens/missing/Missing';
import { SchemasPage } from './screens/schemas/SchemasPage';
import { TokenPage } from './screens/token/TokenPage';
import { UidPage } from './screens/uid/UidPage';
import { WindowPage } from './screens/window/WindowPage';
import { Header } from './shell/Header';
import { Notices } from './shell/Notices';

export function App() {
  const refused = refusal.value;
  return (
    <>
      <a class="skip" href="#main">Skip to the page</a>
      <Header />
      {refused === undefined && <Notices />}
      <main id="main" tabIndex={-1}>{refused === undefined ? <Screen /> : <TokenPage reason={refused} />}</main>
    </>
  );
}

function Screen() {
  const { route, query } = place.value;
  switch (route.page) {
    case 'hours': return <Hours query={query} />;
    case 'hour': return <HourPage key={`${route.stream} ${route.hour}`} stream={route.stream} hour={route.hour} query={query} />;
    case 'window': return <WindowPage key={`${route.stream} ${route.start}`} stream={route.stream} start={route.start} query={query} />;
    case 'uid': return <UidPage key={route.uid} uid={route.uid} />;
    case 'latency': return <LatencyPage key={route.stream} stream={route.stream} query={query} />;
    case 'schemas': return <SchemasPage key={route.stream} stream={route.stream} query={query} />;
    case 'incidents': return <IncidentsPage query={query} />;
    case 'incident': return <IncidentPage key={route.id} id={route.id} mute={route.mute} query={query} />;
    case 'missing': return <Missing path={route.path} />;
  }
}
