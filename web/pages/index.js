// The cover page: shows the addresses of this very node, ready to be copied.

import { element } from './page.js';

element('node').textContent = location.host;
for (const id of ['whip', 'whep', 'sdk']) {
  const address = element(id);
  address.textContent = location.origin + address.textContent;
}
