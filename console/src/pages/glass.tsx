// For an emergency: one administrator lets a statement run alone, and another operator reviews it.

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { ask, type Answer, mayDecide, session } from "../api";
import type { Ticket } from "../generated/schema";
import { useSignal } from "../store";
import { Note, T, When } from "../ui";
import { Act } from "./act";
import { changed } from "./pauses";

/** Only where one approval is not enough; there is nothing to break else. */
export function BreakGlass({ answer, again }: { answer: Answer<Ticket>; again: () => void }): JSX.Element | null {
  const t = answer.data;
  const who = useSignal(session);
  const [open, setOpen] = useState(false);
  const short = (t.missing ?? []).some((m) => m.quorum - m.have > 1 || m.groups.length > 0);
  if (who?.role !== "admin" || !short) return null;
  const send = async (form: FormData, key: string): Promise<void> => {
    const reason = String(form.get("reason") ?? "").trim();
    const path = `/v1/tickets/${encodeURIComponent(t.id)}/break-glass`;
    await ask(path, { method: "POST", body: { reason }, match: answer.etag, key });
    changed.value = changed.value + 1;
    again();
  };
  return (
    <>
      <button type="button" class="quiet" onClick={() => setOpen(true)}>
        Break the glass
      </button>
      {open ? (
        <Act title="Let it run without the others?" button="Break the glass" danger onClose={() => setOpen(false)} send={send}>
          <p>
            The approvals that it still needs are waived, and nothing else: it is measured, kept and proven as ever.
            It is on record, every operator sees it, and another one has to review it.
          </p>
          <label>
            Reason
            <textarea name="reason" rows={3} required maxLength={2000} autofocus />
          </label>
        </Act>
      ) : null}
    </>
  );
}

export function Glass({ t, again }: { t: Ticket; again: () => void }): JSX.Element | null {
  const who = useSignal(session);
  const [open, setOpen] = useState(false);
  const g = t.break_glass;
  if (!g) return null;
  const send = async (form: FormData, key: string): Promise<void> => {
    const note = String(form.get("note") ?? "").trim();
    await ask(`/v1/tickets/${encodeURIComponent(t.id)}/review`, { method: "POST", body: { note }, key });
    changed.value = changed.value + 1;
    again();
  };
  return (
    <Note tone={g.reviewed_by ? "info" : "warn"}>
      <strong>
        <T of={g.operator} /> broke the glass
      </strong>{" "}
      <When at={g.at} />: <T of={g.reason} />
      {g.counts === false ? " Who did it is no administrator any more: it approves nothing." : ""}
      {g.reviewed_by ? (
        <div>
          Reviewed by <T of={g.reviewed_by} /> <When at={g.reviewed} />: <T of={g.note} />
        </div>
      ) : mayDecide() && g.operator !== who?.operator ? (
        <div>
          <button type="button" onClick={() => setOpen(true)}>
            Review it
          </button>
        </div>
      ) : (
        <div>Another operator has to review it.</div>
      )}
      {open ? (
        <Act title="What became of it?" button="Close the review" onClose={() => setOpen(false)} send={send}>
          <label>
            For the record
            <textarea name="note" rows={3} required maxLength={2000} autofocus />
          </label>
        </Act>
      ) : null}
    </Note>
  );
}
