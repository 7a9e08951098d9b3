// Gitops says what GitOps tools make of an object: one JSON object on stdin, one word on stdout.
//
//	gitops kstatus       as Flux and kpt see it: Current, InProgress, Failed, Terminating, …
//	gitops lua SCRIPT    as Argo CD sees it through a health script: Healthy, Progressing, …
package main

import (
	"fmt"
	"io"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	answer, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(answer)
}

func run(args []string) (string, error) {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return "", err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return "", err
	}
	switch {
	case len(args) == 1 && args[0] == "kstatus":
		return kstatus(object)
	case len(args) == 2 && args[0] == "lua":
		return health(object.Object, args[1])
	}
	return "", fmt.Errorf("expected kstatus or lua SCRIPT, got %q", args)
}

func kstatus(object *unstructured.Unstructured) (string, error) {
	result, err := status.Compute(object)
	if err != nil {
		return "", err
	}
	return result.Status.String(), nil
}

// health runs a script as Argo CD does: with no library beyond these.
func health(object map[string]any, script string) (string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return "", err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoFile(script); err != nil {
		return "", err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok || answer.RawGetString("message").Type() != lua.LTString {
		return "", fmt.Errorf("%s returned no table with a status and a message", script)
	}
	return answer.RawGetString("status").String(), nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case map[string]any:
		table := state.NewTable()
		for name, item := range from {
			table.RawSetString(name, value(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case string:
		return lua.LString(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	case bool:
		return lua.LBool(from)
	}
	return lua.LNil
}
