// Who may connect, how they stand, and - for administrators - ending what one may do.

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { ask, query, session } from "../api";
import type { Actor, Actors as Page, Evasion, Operators, Ticket, Tickets } from "../generated/schema";
import { to } from "../router";
import { useLoad, useSignal } from "../store";
import { Card, Fields, More, Note, Nothing, Of, Stamp, State, T, When } from "../ui";
import { Act } from "./act";
import { AddActor, AddOperator, NewPassword } from "./enroll";

type Deed = "quarantine" | "release" | "disable" | "enable" | "revoke";

const DEEDS: Record<Deed, { title: string; does: string; button: string; reason: boolean }> = {
  quarantine: { title: "Quarantine", does: "It may only read, until somebody releases it.", button: "Quarantine", reason: true },
  release: { title: "Release", does: "Its quarantine ends.", button: "Release", reason: true },
  disable: { title: "Disable", does: "It is not let in, and its sessions end, until it is enabled.", button: "Disable", reason: false },
  enable: { title: "Enable", does: "It is let in again.", button: "Enable", reason: false },
  revoke: {
    title: "Revoke for good",
    does: "It is never let in again, and its sessions end now. This cannot be undone.",
    button: "Revoke",
    reason: false,
  },
};

const PAGE = 100;

export function Actors({ name }: { name: string }): JSX.Element {
  const [pages, setPages] = useState(1);
  const loaded = useLoad(`actors ${pages}`, async (signal) => {
    const actors: Actor[] = [];
    let cursor: string | undefined;
    for (let i = 0; i < pages; i++) {
      const { data }: { data: Page } = await ask<Page>(`/v1/actors${query({ limit: PAGE, cursor })}`, { signal });
      actors.push(...data.actors);
      cursor = data.next;
      if (!cursor) break;
    }
    return { actors, next: cursor };
  });
  return (
    <div class="wide stack">
      <div class="title">
        <h1>Actors</h1>
        <Evading />
      </div>
      {name === "" ? null : <One key={name} name={name} changed={loaded.again} />}
      <Of loaded={loaded}>
        {({ actors, next }) =>
          actors.length === 0 ? (
            <Card title="Who may connect" more={<AddActor onDone={loaded.again} />}>
              <Nothing>
                Nobody may connect yet. <code>backstop agents add NAME --database DB --owner OWNER</code> adds one, too.
              </Nothing>
            </Card>
          ) : (
            <Card title={`Who may connect (${actors.length}${next ? "+" : ""})`} more={<AddActor onDone={loaded.again} />}>
              <div class="scroll" tabIndex={0} role="region" aria-label="Actors">
                <table class="list-table">
                  <thead>
                    <tr>
                      <th>Name</th>
                      <th>Status</th>
                      <th>Kind</th>
                      <th>Owner</th>
                      <th>Group</th>
                      <th>Databases</th>
                      <th>Created</th>
                      <th>Expires</th>
                    </tr>
                  </thead>
                  <tbody>
                    {actors.map((a) => (
                      <tr key={a.name} class={a.name === name ? "here" : ""}>
                        <td>
                          <a href={to("actors", a.name)}>
                            <T of={a.name} most={40} />
                          </a>
                        </td>
                        <td>
                          <Status of={a.status} />
                        </td>
                        <td>{a.kind}</td>
                        <td>
                          <T of={a.owner} />
                        </td>
                        <td>
                          <T of={a.group} />
                        </td>
                        <td>
                          <T of={a.databases.join(", ")} most={40} />
                        </td>
                        <td data-h="created">
                          <When at={a.created} />
                        </td>
                        <td data-h="expires">{a.expires ? <When at={a.expires} /> : <span class="dim">never</span>}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <More next={next} loading={loaded.loading} onMore={() => setPages(pages + 1)} />
            </Card>
          )
        }
      </Of>
      <WhoOperates />
    </div>
  );
}

function Status({ of }: { of: string }): JSX.Element {
  const tone = of === "active" ? "done" : of === "quarantined" ? "failed" : "expired";
  return <span class={`state state-${tone}`}>{of}</span>;
}

function Evading(): JSX.Element {
  const loaded = useLoad("evasion", (signal) => ask<Evasion>("/v1/evasion", { signal }), 15_000);
  const n = loaded.data?.data;
  if (!n) return <span />;
  return (
    <span class="dim">
      since the start: {n.retries} asked again, {n.evasions} in other words, {n.quarantines} quarantined
    </span>
  );
}

function One({ name, changed }: { name: string; changed: () => void }): JSX.Element {
  const path = encodeURIComponent(name);
  const loaded = useLoad(`actor ${name}`, async (signal) => {
    const [actor, tickets] = await Promise.all([
      ask<Actor>(`/v1/actors/${path}`, { signal }),
      ask<Tickets>(`/v1/tickets?limit=20&actor=${path}`, { signal }),
    ]);
    return { actor: actor.data, tickets: tickets.data.tickets };
  });
  const again = (): void => {
    loaded.again();
    changed();
  };
  return (
    <Card title="Actor" more={<a href={to("actors")}>Close</a>}>
      <Of loaded={loaded}>
        {({ actor: a, tickets }) => (
          <div class="halves">
            <div class="stack">
              {a.quarantined ? (
                <Note tone="warn">
                  In quarantine <When at={a.quarantined} />
                  {a.quarantine_why ? (
                    <>
                      : <T of={a.quarantine_why} />
                    </>
                  ) : null}
                </Note>
              ) : null}
              <Fields
                rows={[
                  ["Name", <T of={a.name} />],
                  ["Status", <Status of={a.status} />],
                  ["Kind", a.kind],
                  ["Owner", a.owner ? <T of={a.owner} /> : ""],
                  ["Group", a.group ? <T of={a.group} /> : ""],
                  ["Role", a.role ? <T of={a.role} /> : ""],
                  ["Databases", <T of={a.databases.join(", ")} />],
                  ["From", a.addresses && a.addresses.length > 0 ? <T of={a.addresses.join(", ")} /> : "anywhere"],
                  ["Created", a.created ? <Stamp at={a.created} /> : ""],
                  ["Expires", a.expires ? <Stamp at={a.expires} /> : "never"],
                  ["Record", <a href={to("audit", "", { actor: a.name })}>in the audit</a>],
                ]}
              />
              <Acts actor={a} again={again} />
            </div>
            <div>
              <h3>What it asked for</h3>
              <Asked tickets={tickets} />
            </div>
          </div>
        )}
      </Of>
    </Card>
  );
}

function Asked({ tickets }: { tickets: Ticket[] }): JSX.Element {
  if (tickets.length === 0) return <Nothing>Nothing of it was ever held.</Nothing>;
  return (
    <ul class="past">
      {tickets.map((t) => (
        <li key={t.id}>
          <State of={t.state} />
          <a class="mono" href={to("queue", t.id)}>
            <T of={t.sql.replace(/\s+/g, " ")} most={80} />
          </a>
          <span class="dim">
            <When at={t.created} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Acts({ actor: a, again }: { actor: Actor; again: () => void }): JSX.Element | null {
  const who = useSignal(session);
  const [act, setAct] = useState<Deed | undefined>();
  if (who?.role !== "admin" || a.revoked) return null;
  return (
    <div class="acts">
      {a.quarantined ? (
        <button type="button" onClick={() => setAct("release")}>
          Release
        </button>
      ) : (
        <button type="button" onClick={() => setAct("quarantine")}>
          Quarantine
        </button>
      )}
      <button type="button" onClick={() => setAct(a.disabled ? "enable" : "disable")}>
        {a.disabled ? "Enable" : "Disable"}
      </button>
      <NewPassword name={a.name} onDone={again} />
      <button type="button" class="danger" onClick={() => setAct("revoke")}>
        Revoke
      </button>
      {act ? <Doing actor={a} act={act} onClose={() => setAct(undefined)} onDone={again} /> : null}
    </div>
  );
}

function Doing(props: { actor: Actor; act: Deed; onClose: () => void; onDone: () => void }): JSX.Element {
  const what = DEEDS[props.act];
  const send = async (form: FormData, key: string): Promise<void> => {
    const reason = String(form.get("reason") ?? "").trim();
    await ask(`/v1/actors/${encodeURIComponent(props.actor.name)}/${props.act}`, {
      method: "POST",
      body: reason === "" ? {} : { reason },
      key,
    });
    props.onDone();
  };
  return (
    <Act title={what.title} button={what.button} danger={props.act !== "release" && props.act !== "enable"} onClose={props.onClose} send={send}>
      <p>
        <strong>
          <T of={props.actor.name} />
        </strong>
        : {what.does}
      </p>
      {what.reason ? (
        <label>
          Reason (may be empty)
          <textarea name="reason" rows={2} maxLength={2000} autofocus />
        </label>
      ) : null}
    </Act>
  );
}

function WhoOperates(): JSX.Element {
  const loaded = useLoad("operators", (signal) => ask<Operators>("/v1/operators", { signal }));
  return (
    <Card title="Operators" more={<AddOperator onDone={loaded.again} />}>
      <Of loaded={loaded}>
        {({ data }) => (
          <div class="scroll" tabIndex={0} role="region" aria-label="Operators">
            <table>
              <thead>
                <tr>
                  <th>Name</th>
                  <th>Role</th>
                  <th>Groups</th>
                  <th>Also called</th>
                  <th>Status</th>
                  <th>Created</th>
                  <th>Expires</th>
                </tr>
              </thead>
              <tbody>
                {data.operators.map((o) => (
                  <tr key={o.name}>
                    <td>
                      <T of={o.name} />
                    </td>
                    <td>{o.role}</td>
                    <td>
                      <T of={o.groups.join(", ")} />
                    </td>
                    <td>
                      <T of={o.owners.join(", ")} />
                    </td>
                    <td>
                      <Status of={o.status} />
                    </td>
                    <td>
                      <When at={o.created} />
                    </td>
                    <td>{o.expires ? <When at={o.expires} /> : <span class="dim">never</span>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Of>
    </Card>
  );
}
