// Who comes anew, and new secrets: an administrator's. A secret is shown once and kept nowhere here.

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

import { ask, session } from "../api";
import { useSignal } from "../store";
import { Dialog, Note, T } from "../ui";
import { Act } from "./act";

type Secret = { name: string; what: "password" | "token"; text: string | undefined };

function words(form: FormData, name: string): string[] {
  return String(form.get(name) ?? "").split(/[\s,]+/).filter((word) => word !== "");
}

function word(form: FormData, name: string): string | undefined {
  const text = String(form.get(name) ?? "").trim();
  return text === "" ? undefined : text;
}

function Shown({ secret, onClose }: { secret: Secret; onClose: () => void }): JSX.Element {
  return (
    <Dialog title={secret.what === "password" ? "The password" : "The token"} onClose={onClose}>
      <p>
        Of{" "}
        <strong>
          <T of={secret.name} />
        </strong>
        . It is shown this once: nobody can look it up later.
      </p>
      {secret.text ? (
        <pre class="box secret" tabIndex={0} aria-label="Secret">
          {secret.text}
        </pre>
      ) : (
        <Note tone="info">There is none: the certificate is enough.</Note>
      )}
      <p class="dialog-actions">
        <button type="button" class="main" onClick={onClose}>
          I have it
        </button>
      </p>
    </Dialog>
  );
}

/** A button of an administrator, its dialog, and the secret that comes of it. */
function Enrolling(props: {
  button: string;
  title: string;
  send: (form: FormData) => Promise<Secret>;
  onDone: () => void;
  children: ComponentChildren;
}): JSX.Element | null {
  const who = useSignal(session);
  const [open, setOpen] = useState(false);
  const [secret, setSecret] = useState<Secret | undefined>();
  if (who?.role !== "admin") return null;
  const send = async (form: FormData): Promise<void> => setSecret(await props.send(form));
  const close = (): void => {
    setSecret(undefined);
    props.onDone();
  };
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        {props.button}
      </button>
      {open ? (
        <Act title={props.title} button={props.button} onClose={() => setOpen(false)} send={send}>
          {props.children}
        </Act>
      ) : null}
      {secret ? <Shown secret={secret} onClose={close} /> : null}
    </>
  );
}

function Text(props: { name: string; title: string; hint?: string; required?: boolean }): JSX.Element {
  return (
    <label>
      {props.title}
      <input name={props.name} placeholder={props.hint ?? ""} required={props.required ?? false} spellcheck={false} autocomplete="off" />
    </label>
  );
}

export function AddActor({ onDone }: { onDone: () => void }): JSX.Element {
  const send = async (form: FormData): Promise<Secret> => {
    const body: Record<string, unknown> = { name: word(form, "name"), databases: words(form, "databases"), kind: word(form, "kind") };
    for (const name of ["owner", "group", "expires"]) if (word(form, name)) body[name] = word(form, name);
    if (words(form, "addresses").length > 0) body.addresses = words(form, "addresses");
    const { data } = await ask<{ name: string; password?: string }>("/v1/actors", { method: "POST", body });
    return { name: data.name, what: "password", text: data.password };
  };
  return (
    <Enrolling button="Add an actor" title="Who may connect, too?" send={send} onDone={onDone}>
      <Text name="name" title="Name" required />
      <label>
        Kind
        <select name="kind">
          <option value="agent">agent</option>
          <option value="app">app</option>
          <option value="person">person</option>
        </select>
      </label>
      <Text name="databases" title="Databases" hint="as actors call them, with commas" required />
      <Text name="owner" title="Owner" hint="the human who answers for it" />
      <Text name="group" title="Group" hint="what policies may name instead of it" />
      <Text name="expires" title="Expires" hint="30d; never" />
      <Text name="addresses" title="Only from" hint="10.0.0.0/8; anywhere" />
    </Enrolling>
  );
}

export function NewPassword({ name, onDone }: { name: string; onDone: () => void }): JSX.Element {
  const send = async (form: FormData): Promise<Secret> => {
    const overlap = word(form, "overlap");
    const path = `/v1/actors/${encodeURIComponent(name)}/rotate`;
    const { data } = await ask<{ password?: string }>(path, { method: "POST", body: overlap ? { overlap } : {} });
    return { name, what: "password", text: data.password };
  };
  return (
    <Enrolling button="New password" title="A new password" send={send} onDone={onDone}>
      <Text name="overlap" title="That the old one counts, too" hint="24h; not at all" />
    </Enrolling>
  );
}

export function AddOperator({ onDone }: { onDone: () => void }): JSX.Element {
  const send = async (form: FormData): Promise<Secret> => {
    const body: Record<string, unknown> = { name: word(form, "name"), role: word(form, "role") };
    if (words(form, "groups").length > 0) body.groups = words(form, "groups");
    if (words(form, "owners").length > 0) body.owners = words(form, "owners");
    if (word(form, "expires")) body.expires = word(form, "expires");
    const { data } = await ask<{ name: string; token: string }>("/v1/operators", { method: "POST", body });
    return { name: data.name, what: "token", text: data.token };
  };
  return (
    <Enrolling button="Add an operator" title="Who operates, too?" send={send} onDone={onDone}>
      <Text name="name" title="Name" required />
      <label>
        Role
        <select name="role">
          <option value="viewer">viewer</option>
          <option value="approver">approver</option>
          <option value="admin">admin</option>
        </select>
      </label>
      <Text name="groups" title="Groups" hint="with commas" />
      <Text name="owners" title="Also called" hint="other names of this human, as owners of agents" />
      <Text name="expires" title="Expires" hint="90d; never" />
    </Enrolling>
  );
}
