-- Tells Argo CD how a ModelDeployment is. docs/deploy.md says where it goes.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not seen the last change yet"}
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end

local function is(kind, answer)
  return found[kind] ~= nil and found[kind].status == answer
end

if obj.spec.suspend and is("Reconciling", "False") then
  return {status = "Suspended", message = found.Reconciling.message}
end
if is("Stalled", "True") then
  return {status = "Degraded", message = found.Stalled.message}
end
if is("Ready", "True") then
  return {status = "Healthy", message = found.Ready.message}
end
if is("Available", "False") and status.stableRevision then
  return {status = "Degraded", message = found.Available.message}
end
return {status = "Progressing", message = found.Ready and found.Ready.message or "no condition yet"}
